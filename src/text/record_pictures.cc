// text/record_pictures.cc
#include "text/record_pictures.h"

#include "base/error.h"

namespace mop {
namespace {

size_t words_in(std::string_view text) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(kPictureWord, at)) != text.npos; at += kPictureWord.size())
    ++count;
  return count;
}

// Without the words and the line ends that set them off.
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

// Whether the first text that is no white space stands in what the template wrote. Templates that
// expect lists go through a text letter by letter and write nothing of it.
bool writes_texts(const Json& messages, const std::string& written) {
  constexpr std::string_view kSpace = " \t\r\n";
  for (const Json& message : messages) {
    if (!message.contains("content") || !message["content"].is_string()) continue;
    const std::string_view text = message["content"].get_ref<const std::string&>();
    const size_t begin = text.find_first_not_of(kSpace);
    if (begin == text.npos) continue;
    const size_t end = text.find_last_not_of(kSpace);
    return written.find(text.substr(begin, end + 1 - begin)) != written.npos;
  }
  return true;
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
  const std::string written = chat.render(conversation.messages, conversation.options);
  const bool all_pictures = pictures == 0 || words_in(written) == pictures;
  if (all_pictures && writes_texts(conversation.messages, written)) return conversation;
  for (Json& message : conversation.messages) {
    if (message.contains("content") && message["content"].is_string())
      message["content"] = as_parts(message["content"].get<std::string>());
  }
  return conversation;
}

}  // namespace mop
