#include "text/record_pictures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "kit/random_model.h"
#include "kit/refusal.h"
#include "text/training_data.h"

namespace mop {
namespace {
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::refusal_of;

// As llava-1.5-7b-hf's: contents are lists of parts, of texts nothing is written.
const char* const kOfParts =
    "{% for m in messages %}{{ m['role'].upper() }}: "
    "{% for part in m['content'] | selectattr('type', 'equalto', 'image') %}<image>\n{% endfor %}"
    "{% for part in m['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] }} "
    "{% endfor %}{% endfor %}";
const char* const kOfTexts =
    "{% for m in messages %}{{ m.role }}: {{ m.content }} {% endfor %}{# no image #}";

std::string written(const char* source, const Json& messages, size_t pictures) {
  const ChatTemplate chat({{"default", source}}, Json::object());
  return chat.render(as_template_expects({messages, {}, {}}, chat, pictures).messages);
}

Json asked(const std::string& text) { return {{{"role", "user"}, {"content", text}}}; }

TEST(RecordPictures, AreNamedByImageOrImages) {
  EXPECT_THAT(pictures_of({{"image", "a.png"}}, "record 1"), ElementsAre("a.png"));
  EXPECT_THAT(pictures_of({{"images", {"a.png", "b.jpg"}}}, "record 1"),
              ElementsAre("a.png", "b.jpg"));
  EXPECT_THAT(pictures_of({{"image", nullptr}, {"text", "x"}}, "record 1"), IsEmpty());
  EXPECT_THAT(pictures_of(Json("a text"), "record 1"), IsEmpty());
  EXPECT_THAT(refusal_of([] {
                pictures_of({{"image", {{"bytes", "x"}}}}, "record 1");
              }),
              HasSubstr("record 1: `image` must name files of pictures, got object"));
}

TEST(RecordPictures, TemplatesOfPartsGetParts) {
  EXPECT_EQ(written(kOfParts, asked("<image>\nWhat is it?"), 1), "USER: <image>\nWhat is it? ");
  EXPECT_EQ(written(kOfParts, asked("What is\n<image>"), 1), "USER: <image>\nWhat is ");
  EXPECT_EQ(written(kOfParts, asked("Which <image> or <image>?"), 2),
            "USER: <image>\n<image>\nWhich  or ? ");
}

TEST(RecordPictures, TemplatesOfPartsGetThemWithoutPicturesToo) {
  EXPECT_EQ(written(kOfParts, asked("What is it?"), 0), "USER: What is it? ");
}

TEST(RecordPictures, TemplatesThatWriteTextsGetThemAsTheyAre) {
  EXPECT_EQ(written(kOfTexts, asked("<image>\nWhat?"), 1), "user: <image>\nWhat? ");
  EXPECT_EQ(written(kOfTexts, asked(""), 0), "user:  ");
}

TEST(RecordPictures, ConversationsMayHoldThemAsPartsWhereTheRecordNamesThem) {
  const Json content = {{{"type", "image"}}, {{"type", "text"}, {"text", "What?"}}};
  const Json messages = {{{"role", "user"}, {"content", content}}};
  const Json record = {{"messages", messages}, {"image", "a.png"}};
  EXPECT_EQ(conversation_of(record, "record 1").messages[0]["content"], content);
  EXPECT_THAT(refusal_of([&] {
                conversation_of({{"messages", messages}}, "record 1");
              }),
              HasSubstr("a part of type `image`, only texts are read"));
}

TEST(RecordPictures, TrainingTextsGiveThemTheirPlaces) {
  const testing::TempFolder folder;
  const auto file = folder.path() / "data.jsonl";
  std::ofstream(file) << R"({"prompt": "see", "completion": " it", "image": "a.png"})"
                      << "\n";
  const auto tokenizer = open_tokenizer(testing::demo_model());
  TrainingDataOptions options;
  EXPECT_THAT(refusal_of([&] { TrainingData::open(file, tokenizer, options); }),
              HasSubstr("line 1 has a picture, but the model does not read pictures"));
  options.place = [](auto& ids, auto* labels, const auto& pictures, bool was_cut) {
    EXPECT_THAT(pictures, ElementsAre("a.png"));
    EXPECT_FALSE(was_cut);
    ids.insert(ids.begin(), 5000);
    labels->insert(labels->begin(), kNoLoss);
  };
  const TrainingData data = TrainingData::open(file, tokenizer, options);
  EXPECT_THAT(data.notes(), IsEmpty());
  const TrainingSample sample = data.sample(0);
  EXPECT_EQ(sample.ids[0], 5000);
  EXPECT_EQ(sample.labels[0], kNoLoss);
  EXPECT_EQ(sample.ids.size(), sample.labels.size());
}

}  // namespace
}  // namespace mop
