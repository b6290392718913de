// Records of training data, of every form; conversations through a chat template.
#include "fuzz/target.h"
#include "text/chat_template.h"
#include "text/training_data.h"
#include "unit/text/byte_tokenizer.h"

using namespace mop;

MOP_FUZZ(bytes) {
  static const auto tokenizer = std::make_shared<testing::ByteTokenizer>();
  static const auto chat = std::make_shared<ChatTemplate>(
      std::map<std::string, std::string>{
          {"default",
           "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% if m.tool_calls %}"
           "{{ m.tool_calls | tojson }}{% endif %}\n{% endfor %}{{ tools | tojson }}"}},
      Json::object());
  TrainingDataOptions options;
  options.chat = chat;
  options.max_tokens = 64;
  const TrainingData data =
      TrainingData::open(testing::file_of(bytes, "data.jsonl"), tokenizer, options);
  for (int64_t i = 0; i < data.size(); ++i) data.sample(i);
}
