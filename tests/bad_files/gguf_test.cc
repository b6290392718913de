// Broken GGUF files: one a rule, and the text of its error.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "checkpoint/checkpoint.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "model/model.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A header by hand, so that it can be wrong.
class Header {
 public:
  Header& magic(const std::string& text = "GGUF") { return raw(text); }
  Header& u32(uint32_t value) { return raw({reinterpret_cast<char*>(&value), sizeof value}); }
  Header& u64(uint64_t value) { return raw({reinterpret_cast<char*>(&value), sizeof value}); }
  Header& text(const std::string& text) { return u64(text.size()).raw(text); }
  Header& start(uint64_t tensors, uint64_t values) {
    return magic().u32(3).u64(tensors).u64(values);
  }
  Header& tensor(const std::string& name, uint32_t type, uint64_t size, uint64_t offset) {
    return text(name).u32(1).u64(size).u32(type).u64(offset);
  }
  Header& data(size_t count) {
    bytes_.resize((bytes_.size() + 31) / 32 * 32);
    return raw(std::string(count, '\1'));
  }
  Header& raw(const std::string& bytes) {
    bytes_ += bytes;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

constexpr uint32_t kF32 = 0, kQ4K = 12, kIq2Xs = 17, kTq1 = 34, kQ8 = 8, kText = 8, kNumber = 4,
                   kList = 9;

class BadGguf : public ::testing::Test {
 protected:
  fs::path file() const { return folder_.path() / "m.gguf"; }
  std::string error_of(const std::string& bytes) const {
    write_file(file(), bytes);
    try {
      GgufFile::open(file());
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr("m.gguf"));
      return e.what();
    }
    return "was read";
  }
  std::string error_of(const Header& header) const { return error_of(header.bytes()); }

 private:
  TempFolder folder_;
};

TEST_F(BadGguf, AGoodOneIsRead) {
  EXPECT_EQ(error_of(Header().start(1, 0).tensor("a", kF32, 8, 0).data(32)), "was read");
}

TEST_F(BadGguf, Magic) {
  EXPECT_THAT(error_of("GGML0000000"), HasSubstr("does not begin with 'GGUF'"));
}

TEST_F(BadGguf, Empty) { EXPECT_THAT(error_of(""), HasSubstr("not a GGUF file")); }

TEST_F(BadGguf, Version) {
  EXPECT_THAT(error_of(Header().magic().u32(1).u64(0).u64(0)),
              AllOf(HasSubstr("unsupported GGUF version 1"), HasSubstr("supported: 2, 3")));
}

TEST_F(BadGguf, OtherByteOrder) {
  EXPECT_THAT(error_of(Header().magic().u32(0x03000000).u64(0).u64(0)), HasSubstr("big-endian"));
}

TEST_F(BadGguf, CutAnywhereInTheHeader) {
  const std::string whole = Header()
                                .start(1, 1)
                                .text("general.name")
                                .u32(kText)
                                .text("x")
                                .tensor("a", kF32, 8, 0)
                                .bytes();
  for (size_t size = 8; size < whole.size(); ++size) {
    EXPECT_THAT(error_of(whole.substr(0, size)), HasSubstr("truncated")) << size;
  }
}

TEST_F(BadGguf, CutInTheData) {
  EXPECT_THAT(error_of(Header().start(1, 0).tensor("a", kF32, 9, 0).data(32)),
              AllOf(HasSubstr("tensor 'a' should end at byte 36"), HasSubstr("truncated")));
}

TEST_F(BadGguf, TextLongerThanTheFile) {
  EXPECT_THAT(error_of(Header().start(0, 1).u64(uint64_t{1} << 60).raw("abc")),
              HasSubstr("truncated"));
}

TEST_F(BadGguf, ListLongerThanTheFile) {
  EXPECT_THAT(error_of(Header().start(0, 1).text("k").u32(kList).u32(kNumber).u64(1ull << 40)),
              HasSubstr("claims 1099511627776 elements"));
}

TEST_F(BadGguf, UnknownTypeOfAValue) {
  EXPECT_THAT(error_of(Header().start(0, 1).text("k").u32(77)), HasSubstr("unknown type 77"));
}

TEST_F(BadGguf, KeyTwice) {
  Header header;
  header.start(0, 2);
  for (int i = 0; i < 2; ++i) header.text("k").u32(kNumber).u32(1);
  EXPECT_THAT(error_of(header), HasSubstr("the metadata has 'k' twice"));
}

TEST_F(BadGguf, UnknownTypeOfATensor) {
  for (const auto& [type, name] : {std::pair{kIq2Xs, "IQ2_XS"}, {kTq1, "TQ1_0"}, {99u, "99"}}) {
    EXPECT_THAT(error_of(Header().start(1, 0).tensor("a", type, 256, 0).data(512)),
                AllOf(HasSubstr(std::string("tensor 'a' has the type ") + name),
                      HasSubstr("F32, F16, BF16, Q8_0, Q4_0"), HasSubstr("--allow-requantize")));
  }
}

TEST_F(BadGguf, TensorTwice) {
  EXPECT_THAT(
      error_of(Header().start(2, 0).tensor("a", kF32, 8, 0).tensor("a", kF32, 8, 32).data(64)),
      HasSubstr("'a' is listed twice"));
}

TEST_F(BadGguf, Overlap) {
  EXPECT_THAT(
      error_of(Header().start(2, 0).tensor("a", kF32, 16, 0).tensor("b", kF32, 8, 32).data(96)),
      HasSubstr("'a' and 'b' overlap"));
}

TEST_F(BadGguf, Alignment) {
  EXPECT_THAT(error_of(Header().start(1, 0).tensor("a", kF32, 8, 4).data(64)),
              HasSubstr("no multiple of 32"));
}

TEST_F(BadGguf, PartOfABlock) {
  EXPECT_THAT(error_of(Header().start(1, 0).tensor("a", kQ8, 40, 0).data(64)),
              HasSubstr("not whole blocks of 32"));
  EXPECT_THAT(error_of(Header().start(1, 0).tensor("a", kQ4K, 128, 0).data(64)),
              HasSubstr("not whole blocks of 256"));
}

TEST_F(BadGguf, AValueThatIsNotFinite) {
  std::string block(34, '\1');  // q8_0: an infinite scale
  block[1] = 0x7c, block[0] = 0;
  Header header = Header().start(1, 0).tensor("a", kQ8, 32, 0).data(0).raw(block);
  EXPECT_EQ(error_of(header), "was read");
  const GgufFile read = GgufFile::open(file());
  try {
    read.tensor(read.tensors().at("a"));
    FAIL() << "was read";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("tensor 'a' (q8_0) is not finite as float16"),
                                HasSubstr("m.gguf"), HasSubstr("--allow-requantize")));
  }
}

TEST_F(BadGguf, SizesThatOverflow) {
  EXPECT_THAT(error_of(Header().start(1, 0).tensor("a", kF32, 1ull << 62, 0).data(32)),
              HasSubstr("not a plausible size"));
}

// From here on the container is fine and the model is not.
class BadGgufModel : public BadGguf {
 protected:
  // `more`: tensors beside the embedding.
  std::string model_error(const GgufMetadata& metadata,
                          const std::vector<GgufTensorSpec>& more = {}) const {
    std::vector<GgufTensorSpec> specs = {{"token_embd.weight", GgmlType::kF32, {4, 8}}};
    specs.insert(specs.end(), more.begin(), more.end());
    GgufWriter writer(file(), metadata, specs);
    for (const GgufTensorSpec& spec : specs) writer.write(at::ones(spec.shape));
    writer.finish();
    try {
      Model::open(file());
    } catch (const Error& e) {
      return e.what();
    }
    return "was read";
  }
  static GgufMetadata sizes() {
    GgufMetadata all = {{"general.architecture", GgufValue::text("llama")}};
    for (const auto& [key, value] : {std::pair{"block_count", 2},
                                     {"context_length", 16},
                                     {"embedding_length", 8},
                                     {"feed_forward_length", 4},
                                     {"attention.head_count", 2}}) {
      all.emplace_back(std::string("llama.") + key, GgufValue::u32(value));
    }
    all.emplace_back("llama.attention.layer_norm_rms_epsilon", GgufValue::f32(1e-5));
    return all;
  }
};

TEST_F(BadGgufModel, NoArchitecture) {
  EXPECT_THAT(model_error({}),
              AllOf(HasSubstr("lacks 'general.architecture'"), HasSubstr("m.gguf")));
}

TEST_F(BadGgufModel, UnknownArchitecture) {
  EXPECT_THAT(model_error({{"general.architecture", GgufValue::text("mamba")}}),
              AllOf(HasSubstr("unknown architecture 'mamba'"), HasSubstr("llama, deci, qwen2")));
}

TEST_F(BadGgufModel, EveryKeyIsAskedFor) {
  const GgufMetadata all = sizes();
  for (size_t i = 1; i < all.size(); ++i) {
    GgufMetadata some = all;
    some.erase(some.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_THAT(model_error(some), HasSubstr("lacks '" + all[i].first + "'"));
  }
}

TEST_F(BadGgufModel, AKeyOfAnotherType) {
  GgufMetadata all = sizes();
  all[1].second = GgufValue::text("two");
  EXPECT_THAT(model_error(all), HasSubstr("'llama.block_count' is not an integer"));
}

TEST_F(BadGgufModel, AListOfAnotherLength) {
  GgufMetadata all = sizes();
  all[4].second = GgufValue::i32_list({2, 2, 2});
  EXPECT_THAT(model_error(all), HasSubstr("has 3 entries for 2 layers"));
}

TEST_F(BadGgufModel, Experts) {
  GgufMetadata all = sizes();
  all.emplace_back("llama.expert_count", GgufValue::u32(8));
  EXPECT_THAT(model_error(all), HasSubstr("mixture of 8 experts"));
}

TEST_F(BadGgufModel, WhatWouldBeComputedOtherwise) {
  const std::pair<std::pair<const char*, GgufValue>, const char*> cases[] = {
      {{"split.count", GgufValue::u32(3)}, "one of the 3 files that a model was split into"},
      {{"llama.attention.value_length", GgufValue::u32(8)}, "heads of 4 with values of 8"},
      {{"llama.attention.causal", GgufValue::flag(false)}, "attention is not causal"},
      {{"llama.rope.scaling.attn_factor", GgufValue::f32(2)}, "attn_factor' is 2"},
      {{"llama.rope.scaling.type", GgufValue::text("su")}, "unsupported rope scaling 'su'"},
      {{"llama.rope.scaling.type", GgufValue::text("longrope")}, "rope_factors_short.weight"},
      {{"llama.attention.scale", GgufValue::f32(1)},
       "attention.scale' is 1: supported is 1 / sqrt"},
      {{"general.type", GgufValue::text("mmproj")}, "'general.type' is mmproj"},
      {{"llama.logit_scale", GgufValue::f32(0.25)}, "logit_scale' is 0.25: logits that are scaled"},
      {{"llama.attention.sliding_window", GgufValue::u32(8)}, "has no window"},
      {{"llama.rope.dimension_sections", GgufValue::i32_list({1, 1})}, "is a list of 2"},
      {{"llama.final_logit_softcapping", GgufValue::f32(30)}, "soft-capped logits"},
      {{"tokenizer.ggml.add_sep_token", GgufValue::flag(true)}, "a separator behind a text"},
      {{"llama.ssm.state_size", GgufValue::u32(16)}, "models of another kind"}};
  for (const auto& [entry, text] : cases) {
    GgufMetadata all = sizes();
    all.emplace_back(entry);
    EXPECT_THAT(model_error(all), AllOf(HasSubstr(text), HasSubstr("m.gguf")));
  }
}

// Heads of a size that would fill the memory with factors, beside a tensor of four.
TEST_F(BadGgufModel, RopeFactorsOfAnotherHeadSize) {
  GgufMetadata all = sizes();
  all.emplace_back("llama.attention.key_length", GgufValue::u32(UINT32_MAX));
  all.emplace_back("llama.attention.value_length", GgufValue::u32(UINT32_MAX));
  GgufWriter writer(
      file(), all,
      {{"token_embd.weight", GgmlType::kF32, {4, 8}}, {"rope_freqs.weight", GgmlType::kF32, {4}}});
  writer.write(at::ones({4, 8}));
  writer.write(at::ones({4}));
  writer.finish();
  EXPECT_THAT(mop::testing::refusal_of([&] { Model::open(file()); }),
              HasSubstr("holds 4 factors for heads of 4294967295"));
}

// What a file says of its heads divides the rows of its tensors.
TEST_F(BadGgufModel, HeadsWithoutChannels) {
  GgufMetadata all = sizes();
  all.emplace_back("llama.attention.key_length", GgufValue::u32(0));
  EXPECT_THAT(model_error(all, {{"blk.0.attn_q.weight", GgmlType::kF32, {8, 8}}}),
              AllOf(HasSubstr("'llama.attention.key_length' is 0: a head has at least one channel"),
                    HasSubstr("m.gguf")));
  all = sizes();
  all[5].second = GgufValue::u32(32);
  EXPECT_THAT(model_error(all, {{"blk.0.attn_q.weight", GgmlType::kF32, {8, 8}}}),
              HasSubstr("'llama.embedding_length' is 8: too few for 32 heads"));
  all = sizes();
  all.emplace_back("llama.attention.key_length", GgufValue::u32(6));
  EXPECT_THAT(model_error(all, {{"blk.0.attn_q.weight", GgmlType::kF32, {8, 8}}}),
              AllOf(HasSubstr("not whole heads of 6"), HasSubstr("m.gguf")));
}

// The second would silently take the first one's place.
TEST_F(BadGgufModel, TwoTensorsThatAreTheSameOne) {
  for (const auto& [first, second] :
       {std::pair{"blk.0.attn_norm.weight", "blk.00.attn_norm.weight"},
        {"model.embed_tokens.weight", "token_embd.weight"}}) {
    std::vector<GgufTensorSpec> more;
    for (const std::string name : {first, second}) {
      if (name != "token_embd.weight") more.push_back({name, GgmlType::kF32, {8}});
    }
    EXPECT_THAT(
        model_error(sizes(), more),
        AllOf(HasSubstr(fmt::format("two tensors are the same one: {} and {}", first, second)),
              HasSubstr("m.gguf")));
  }
}

// 0, false, 1 for a scale: what they would change is not there.
TEST_F(BadGgufModel, NeutralValuesAreRead) {
  GgufMetadata all = sizes();
  all.emplace_back("general.type", GgufValue::text("model"));
  all.emplace_back("llama.logit_scale", GgufValue::f32(1));
  all.emplace_back("llama.attention.sliding_window", GgufValue::u32(0));
  all.emplace_back("llama.use_parallel_residual", GgufValue::flag(false));
  EXPECT_THAT(model_error(all), HasSubstr("layers.0.self_attn.q_proj.weight"));
}

TEST_F(BadGgufModel, MissingTensorsAreAllListed) {
  const std::string error = model_error(sizes());
  EXPECT_THAT(error, AllOf(HasSubstr("layers.0.self_attn.q_proj.weight"),
                           HasSubstr("layers.1.mlp.down_proj.weight")));
}

}  // namespace
}  // namespace mop
