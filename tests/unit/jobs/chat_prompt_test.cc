#include "jobs/chat_prompt.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "kit/random_model.h"

namespace mop {
namespace {

// A command line gives any bytes; templates look at letters.
TEST(ChatPrompt, BytesThatAreNoUtf8BecomeReplacementCharacters) {
  const testing::TempFolder folder;
  write_file(folder.path() / "chat_template.jinja",
             "{% for m in messages %}<{{ m.content | trim }}>{% endfor %}");
  GenerateJob job;
  job.model = folder.path();
  job.prompt = "Hello\xE2";
  EXPECT_EQ(chat_prompt(job), "<Hello\uFFFD>");
  job.prompt = "\xE2";
  job.system = "\xF0\x9F you";
  EXPECT_EQ(chat_prompt(job), "<\uFFFD you><\uFFFD>");
  write_file(folder.path() / "chat_template.jinja", "{{ messages[0].content }} image");
  job.system.clear();
  job.images = {"a.png"};
  EXPECT_EQ(chat_prompt(job), "<image>\n\uFFFD image");
}

}  // namespace
}  // namespace mop
