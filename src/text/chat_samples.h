// text/chat_samples.h -- conversations as texts to measure on.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "text/conversation.h"

namespace mop {

/// Renders conversations by a model's chat template, which is read when the first one comes.
class ChatSamples {
 public:
  /// An empty path: there is no model, and conversations are refused.
  explicit ChatSamples(std::filesystem::path model) : model_(std::move(model)) {}
  /// Without the BOS that the template may begin with: tokenizers add it by their own rule. Throws
  /// Error(kBadInput) naming `where`.
  std::string text(const Json& record, const std::string& where);

 private:
  std::filesystem::path model_;
  std::shared_ptr<const ChatTemplate> chat_;
};

/// As read_samples(file) of text/samples.h; conversations go through the template of `model`.
std::vector<std::string> read_samples(const std::filesystem::path& file,
                                      const std::filesystem::path& model);

}  // namespace mop
