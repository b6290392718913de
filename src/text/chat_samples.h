// text/chat_samples.h -- conversations rendered as texts for calibration and evaluation.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "text/conversation.h"

namespace mop {

/// Renders conversations by a model's chat template, which is read on first use.
class ChatSamples {
 public:
  /// Without a model (empty path), conversations cause an error.
  explicit ChatSamples(std::filesystem::path model) : model_(std::move(model)) {}
  /// Returns the text without a leading BOS, which tokenizers add by their own rule. Throws
  /// Error(kBadInput) naming `where`.
  std::string text(const Json& record, const std::string& where);

 private:
  std::filesystem::path model_;
  std::shared_ptr<const ChatTemplate> chat_;
};

/// Like read_samples(file) of text/samples.h, but renders conversations by the template of `model`.
std::vector<std::string> read_samples(const std::filesystem::path& file,
                                      const std::filesystem::path& model);

}  // namespace mop
