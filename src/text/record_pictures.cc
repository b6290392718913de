// text/record_pictures.cc
#include "text/record_pictures.h"

namespace mop {
namespace {

size_t words_in(std::string_view text) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(kPictureWord, at)) != text.npos; at += kPictureWord.size())
    ++count;
  return count;
}

// Removes the placeholders and the line ends that separate them from the text.
std::string without_words(std::string text) {
  for (size_t at = 0; (at = text.find(kPictureWord, at)) != text.npos;) {
    size_t end = at + kPictureWord.size();
    if (end < text.size() && text[end] == '\n')
      ++end;
    else if (at > 0 && text[at - 1] == '\n')
      --at;
    text.erase(at, end - at);
  }
  return text;
}

Json as_parts(const std::string& text) {
  Json parts = Json::array();
  for (size_t i = 0; i < words_in(text); ++i) parts.push_back({{"type", "image"}});
  parts.push_back({{"type", "text"}, {"text", without_words(text)}});
  return parts;
}

}  // namespace

std::vector<std::string> pictures_of(const Json& record, std::string_view where) {
  if (!record.is_object()) return {};
  std::vector<std::string> names;
  for (const char* key : {"image", "images"}) {
    if (!record.contains(key) || record[key].is_null()) continue;
    const Json& value = record[key];
    for (const Json& name : value.is_array() ? value : Json::array({value})) {
      if (!name.is_string())
        throw bad_input("{}: `{}` must name files of pictures, got {}", where, key,
                        name.type_name());
      names.push_back(name.get<std::string>());
    }
  }
  return names;
}

Error unread_picture(std::string_view name) {
  return bad_input("there is a picture, but the model does not read pictures: {}", name)
      .hint("pictures are read by LLaVA-1.5 models");
}

std::string words_of_pictures(size_t pictures) {
  std::string text;
  for (size_t i = 0; i < pictures; ++i) text.append(kPictureWord).append("\n");
  return text;
}

std::string with_words_of_pictures(const std::string& text, size_t pictures) {
  return text.find(kPictureWord) == text.npos ? words_of_pictures(pictures) + text : text;
}

Conversation as_template_expects(Conversation conversation, const ChatTemplate& chat,
                                 size_t pictures) {
  if (!chat.knows_images()) return conversation;
  const auto all_words = [&] {
    return words_in(chat.render(conversation.messages, conversation.options)) == pictures;
  };
  if (chat.writes_texts() && (pictures == 0 || all_words())) return conversation;
  for (Json& message : conversation.messages) {
    if (message.contains("content") && message["content"].is_string())
      message["content"] = as_parts(message["content"].get<std::string>());
  }
  return conversation;
}

}  // namespace mop
