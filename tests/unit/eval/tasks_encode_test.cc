// Where requests are split into tokens, by a tokenizer whose ids are bytes.
#include <gmock/gmock.h>

#include "base/error.h"
#include "eval/tasks/encode.h"

namespace mop {
namespace {

using Ids = std::vector<int64_t>;

constexpr int64_t kBosId = 1;

// Every byte an id; BOS by the tokenizer's own rule.
class Bytes : public Tokenizer {
 public:
  Ids encode(std::string_view text, Special special) const override {
    Ids ids;
    if (special != Special::kNone) ids.push_back(kBosId);
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string decode(const Ids& ids, bool) const override {
    std::string text;
    for (const int64_t id : ids)
      text += id == kBosId ? "<s>" : std::string(1, static_cast<char>(id));
    return text;
  }
  int64_t vocab() const override { return 256; }
  std::optional<int64_t> bos() const override { return kBosId; }
  std::optional<int64_t> eos() const override { return 2; }
  std::string kind() const override { return "bytes"; }
  std::string fingerprint() const override { return "none"; }
};

TokenRequest pair(const std::string& context, const std::string& continuation,
                  BosRule rule = BosRule::kNever, int64_t length = 64) {
  return RequestEncoder(Bytes(), rule, length).pair({context, continuation});
}

TEST(EncodeRequest, BlanksThatEndTheContextAreScored) {
  const TokenRequest request = pair("ab ", "c");
  EXPECT_EQ(request.ids, (Ids{'a', 'b', ' ', 'c'}));
  EXPECT_EQ(request.scored, 2);
}

TEST(EncodeRequest, BothBosRules) {
  EXPECT_EQ(pair("a", "b", BosRule::kNever).ids, (Ids{'a', 'b'}));
  EXPECT_EQ(pair("a", "b", BosRule::kAuto).ids, (Ids{kBosId, 'a', 'b'}));
  EXPECT_EQ(pair("a", "b", BosRule::kAlways).ids, (Ids{kBosId, 'a', 'b'}));
  EXPECT_EQ(pair("a", "b", BosRule::kAuto).scored, 1);
}

TEST(EncodeRequest, ATextThatBeginsWithBosGetsNoSecondOne) {
  EXPECT_EQ(pair("<s>a", "b", BosRule::kAuto).ids, (Ids{'<', 's', '>', 'a', 'b'}));
}

TEST(EncodeRequest, BosStandsInForAnEmptyContextUnderEveryRule) {
  const TokenRequest request = pair("", "ab", BosRule::kNever);
  EXPECT_EQ(request.ids, (Ids{kBosId, 'a', 'b'}));
  EXPECT_EQ(request.scored, 2);
}

TEST(EncodeRequest, WhatDoesNotFitIsCutOnTheLeft) {
  const TokenRequest request = pair("abcdef", "gh", BosRule::kNever, 4);
  EXPECT_EQ(request.ids, (Ids{'d', 'e', 'f', 'g', 'h'}));
  EXPECT_EQ(request.scored, 2);
  EXPECT_EQ(request.cut, 3);
  EXPECT_EQ(pair("abc", "gh", BosRule::kNever, 4).cut, 0);
}

TEST(EncodeRequest, RefusesWhatCannotBeScored) {
  EXPECT_THROW(pair("ab", ""), Error);
  EXPECT_THROW(pair("  ", "x"), Error);
  EXPECT_THROW(pair("a", "bcdef", BosRule::kNever, 4), Error);
  EXPECT_THROW(parse_bos_rule("sometimes"), Error);
}

TEST(EncodeRequest, EveryChoiceHasItsOwnContext) {
  const Bytes tokenizer;
  const RequestEncoder encoder(tokenizer, BosRule::kNever, 64);
  TaskItem item;
  item.requests = {{"ab ", "c"}, {"ab ", "d"}, {"ab", "d"}, {"x", "d"}, {"ab", "e"}};
  const auto requests = encoder.encode(item, TaskKind::kChoice);
  for (size_t i = 0; i < requests.size(); ++i) {
    const TokenRequest alone = encoder.pair(item.requests[i]);
    EXPECT_EQ(requests[i].ids, alone.ids) << i;
    EXPECT_EQ(requests[i].scored, alone.scored) << i;
  }
  EXPECT_EQ(requests[3].ids, (Ids{'x', 'd'}));
}

TEST(EncodeRolling, EveryTokenIsPredictedOnceFromItsPredecessor) {
  const Bytes tokenizer;
  const RequestEncoder encoder(tokenizer, BosRule::kAuto, 3);
  const auto windows = encoder.rolling("abcdefg");
  Ids predicted;
  for (const TokenRequest& window : windows) {
    EXPECT_LE(window.scored, 3);
    EXPECT_EQ(window.ids.size(), 4u);
    predicted.insert(predicted.end(), window.ids.end() - window.scored, window.ids.end());
  }
  EXPECT_EQ(predicted, tokenizer.encode("abcdefg", Special::kDefault));
  EXPECT_EQ(windows[0].ids, (Ids{kBosId, kBosId, 'a', 'b'}));
  EXPECT_EQ(windows[1].ids, (Ids{'b', 'c', 'd', 'e'}));
  EXPECT_EQ(windows[2].ids, (Ids{'d', 'e', 'f', 'g'}));
  EXPECT_EQ(windows[2].scored, 2);
  EXPECT_TRUE(RequestEncoder(tokenizer, BosRule::kNever, 3).rolling("").empty());
}

}  // namespace
}  // namespace mop
