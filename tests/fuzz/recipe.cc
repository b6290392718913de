// A recipe of `mop prune`, resolved for a small model.
#include "recipe/recipe.h"

#include "base/parse_json.h"
#include "fuzz/json_mutator.h"
#include "fuzz/target.h"

using namespace mop;

MOP_MUTATE_JSON(YAML)

MOP_FUZZ(bytes) {
  static const ModelConfig model = parse_config(
      parse_json(R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 48,
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "rms_norm_eps": 1e-5,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64})"),
      "config.json");
  resolve(recipe_from_json(parse_yaml(bytes, "recipe.yaml")), model);
}
