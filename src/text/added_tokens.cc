// text/added_tokens.cc
#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"

namespace mop {
namespace {

bool touches_word(std::string_view text, size_t begin, size_t end) {
  return (begin > 0 && is_word(code_point_before(text, begin).value)) ||
         (end < text.size() && is_word(code_point_at(text, end).value));
}

size_t before_white_space(std::string_view text, size_t begin) {
  while (begin > 0) {
    const CodePoint c = code_point_before(text, begin);
    if (!is_white_space(c.value)) break;
    begin -= c.bytes;
  }
  return begin;
}

size_t behind_white_space(std::string_view text, size_t end) {
  while (end < text.size()) {
    const CodePoint c = code_point_at(text, end);
    if (!is_white_space(c.value)) break;
    end += c.bytes;
  }
  return end;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(const std::vector<AddedToken>& tokens,
                                   const std::function<bool(const AddedToken&)>& wanted,
                                   const std::function<std::string(const AddedToken&)>& spelling) {
  for (const AddedToken& token : tokens) {
    if (!wanted(token)) continue;
    std::string text = spelling(token);
    if (text.empty()) continue;
    auto& entries = by_first_byte_[static_cast<unsigned char>(text[0])];
    if (entries.empty()) first_bytes_ += text[0];
    entries.push_back({std::move(text), &token});
  }
  for (auto& entries : by_first_byte_) {
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return a.spelling.size() > b.spelling.size();
    });
  }
}

const AddedTokenFinder::Entry* AddedTokenFinder::match_at(std::string_view text, size_t at) const {
  for (const Entry& entry : by_first_byte_[static_cast<unsigned char>(text[at])]) {
    if (text.substr(at).starts_with(entry.spelling)) return &entry;
  }
  return nullptr;
}

std::vector<Segment> AddedTokenFinder::split(std::string_view text) const {
  std::vector<Segment> segments;
  size_t done = 0;
  for (size_t at = text.find_first_of(first_bytes_); at < text.size();
       at = text.find_first_of(first_bytes_, at)) {
    const Entry* entry = match_at(text, at);
    if (entry == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + entry->spelling.size();
    at = end;
    if (begin < done || (entry->token->single_word && touches_word(text, begin, end))) continue;
    if (entry->token->lstrip) begin = std::max(before_white_space(text, begin), done);
    if (entry->token->rstrip) end = behind_white_space(text, end);
    if (done < begin) segments.push_back({done, begin, nullptr});
    segments.push_back({begin, end, entry->token});
    done = end;
  }
  if (done < text.size()) segments.push_back({done, text.size(), nullptr});
  return segments;
}

}  // namespace mop
