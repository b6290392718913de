// text/pre_tokenizers.cc
#include "text/pre_tokenizers.h"

#include <utility>

#include "text/byte_alphabet.h"
#include "text/expansion.h"
#include "text/pattern.h"
#include "text/pattern_part.h"
#include "text/unicode.h"

namespace mop {
namespace {

// What a split does with the matches (delimiters).
enum class Delimiter { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct Stretch {
  Span span;
  bool match;
};

// Returns the matches and the stretches between them, in order, covering the text.
std::vector<Stretch> cover(const std::vector<Span>& matches, size_t size, bool invert) {
  std::vector<Stretch> stretches;
  size_t at = 0;
  for (const Span& match : matches) {
    if (at < match.begin) stretches.push_back({{at, match.begin}, invert});
    stretches.push_back({match, !invert});
    at = match.end;
  }
  if (at < size) stretches.push_back({{at, size}, invert});
  return stretches;
}

std::vector<Span> merge_with_previous(const std::vector<Stretch>& stretches) {
  std::vector<Span> spans;
  bool previous_match = false;
  for (const auto& [span, match] : stretches) {
    if (match && !previous_match && !spans.empty()) {
      spans.back().end = span.end;
    } else {
      spans.push_back(span);
    }
    previous_match = match;
  }
  return spans;
}

std::vector<Span> merge_with_next(const std::vector<Stretch>& stretches) {
  std::vector<Span> spans;  // in reverse order
  bool next_match = false;
  for (auto it = stretches.rbegin(); it != stretches.rend(); ++it) {
    if (it->match && !next_match && !spans.empty()) {
      spans.back().begin = it->span.begin;
    } else {
      spans.push_back(it->span);
    }
    next_match = it->match;
  }
  return {spans.rbegin(), spans.rend()};
}

std::vector<Span> divide(Delimiter delimiter, const std::vector<Stretch>& stretches) {
  if (delimiter == Delimiter::kMergedWithPrevious) return merge_with_previous(stretches);
  if (delimiter == Delimiter::kMergedWithNext) return merge_with_next(stretches);
  std::vector<Span> spans;
  for (size_t i = 0; i < stretches.size(); ++i) {
    const auto& [span, match] = stretches[i];
    if (match && delimiter == Delimiter::kRemoved) continue;
    if (delimiter == Delimiter::kContiguous && i > 0 && match == stretches[i - 1].match) {
      spans.back().end = span.end;
    } else {
      spans.push_back(span);
    }
  }
  return spans;
}

using Find = std::function<std::vector<Span>(const std::string&)>;

PreTokenizer split_by(Find find, Delimiter delimiter, bool invert = false) {
  return [find = std::move(find), delimiter, invert](std::vector<Word> words) {
    std::vector<Word> out;
    for (const Word& word : words) {
      for (const Span& span : divide(delimiter, cover(find(word.text), word.text.size(), invert))) {
        if (span.begin == span.end) continue;
        out.push_back({word.text.substr(span.begin, span.end - span.begin),
                       word.at_start && span.begin == 0});
      }
    }
    return out;
  };
}

PreTokenizer split_by(const Pattern& pattern, Delimiter delimiter, bool invert = false) {
  return split_by([pattern](const std::string& text) { return pattern.find_all(text); }, delimiter,
                  invert);
}

// Matches every character with the property.
Find characters(bool (*property)(char32_t)) {
  return [property](const std::string& text) {
    std::vector<Span> found;
    for (size_t at = 0; at < text.size();) {
      const CodePoint c = code_point_at(text, at);
      if (property(c.value)) found.push_back({at, at + c.bytes});
      at += c.bytes;
    }
    return found;
  };
}

Delimiter read_behavior(const PartJson& part, std::string_view fallback) {
  static constexpr std::pair<std::string_view, Delimiter> kNames[] = {
      {"Removed", Delimiter::kRemoved},
      {"Isolated", Delimiter::kIsolated},
      {"MergedWithPrevious", Delimiter::kMergedWithPrevious},
      {"MergedWithNext", Delimiter::kMergedWithNext},
      {"Contiguous", Delimiter::kContiguous},
  };
  const auto name = part_field<std::string>(part, "behavior", std::string(fallback));
  for (const auto& [known, delimiter] : kNames) {
    if (known == name) return delimiter;
  }
  throw bad_input("the split behaviour '{}' is not known", name)
      .hint("known: Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
}

size_t bytes_of(const std::vector<Word>& words) {
  size_t bytes = 0;
  for (const Word& word : words) bytes += word.text.size();
  return bytes;
}

PreTokenizer make_sequence(const PartJson& part) {
  return [steps = make_components<PreTokenizer>(part, "pretokenizers", make_pre_tokenizer)](
             std::vector<Word> words) {
    const size_t before = bytes_of(words);
    for (const PreTokenizer& step : steps) {
      words = step(std::move(words));
      check_expansion(before, bytes_of(words));
    }
    return words;
  };
}

PreTokenizer make_split(const PartJson& part) {
  return split_by(read_pattern(part), read_behavior(part, "Isolated"),
                  part_field(part, "invert", false));
}

PreTokenizer make_byte_level(const PartJson& part) {
  const bool prefix = part_field(part, "add_prefix_space", true);
  PreTokenizer split;
  if (part_field(part, "use_regex", true)) {
    split = split_by(
        Pattern::regex(
            R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"),
        Delimiter::kIsolated);
  }
  return [prefix, split](std::vector<Word> words) {
    for (Word& word : words) {
      if (prefix && !word.text.starts_with(' ')) word.text.insert(0, 1, ' ');
    }
    if (split) words = split(std::move(words));
    for (Word& word : words) word.text = to_byte_alphabet(word.text);
    return words;
  };
}

// When Metaspace prepends its mark to a word that does not begin with it.
enum class Prepend { kAlways, kFirst, kNever };

Prepend read_prepend_scheme(const PartJson& part) {
  // Files older than `prepend_scheme` use `add_prefix_space`.
  const bool prefix = part_field(part, "add_prefix_space", true);
  const auto scheme = part_field<std::string>(part, "prepend_scheme", prefix ? "always" : "never");
  if (scheme == "always") return Prepend::kAlways;
  if (scheme == "first") return Prepend::kFirst;
  if (scheme == "never") return Prepend::kNever;
  throw bad_input("`prepend_scheme` '{}' is not known", scheme).hint("known: always, first, never");
}

PreTokenizer make_metaspace(const PartJson& part) {
  const auto mark = part_field<std::string>(part, "replacement", "\u2581");
  const Prepend prepend = read_prepend_scheme(part);
  PreTokenizer split;
  if (part_field(part, "split", true))
    split = split_by(Pattern::literal(mark), Delimiter::kMergedWithNext);
  return [mark, prepend, split, space = Pattern::literal(" ")](std::vector<Word> words) {
    const size_t before = bytes_of(words);
    check_expansion(before, before + words.size() * mark.size());
    for (Word& word : words) {
      word.text = space.replace_all(word.text, mark);
      const bool wanted =
          prepend == Prepend::kAlways || (prepend == Prepend::kFirst && word.at_start);
      if (wanted && !word.text.starts_with(mark)) word.text.insert(0, mark);
    }
    return split ? split(std::move(words)) : words;
  };
}

PreTokenizer make_digits(const PartJson& part) {
  const bool individual = part_field(part, "individual_digits", false);
  return split_by(characters(is_numeric),
                  individual ? Delimiter::kIsolated : Delimiter::kContiguous);
}

// Rust's \w, which includes join controls; the regexes of Split do not.
PreTokenizer make_whitespace(const PartJson&) {
  return split_by(Pattern::regex(R"([\w\x{200c}\x{200d}]+|[^\w\s\x{200c}\x{200d}]+)"),
                  Delimiter::kRemoved,
                  /*invert=*/true);
}

PreTokenizer make_whitespace_split(const PartJson&) {
  return split_by(characters(is_white_space), Delimiter::kRemoved);
}

PreTokenizer make_punctuation(const PartJson& part) {
  return split_by(characters(is_punctuation), read_behavior(part, "Isolated"));
}

constexpr Component<PreTokenizer> kPreTokenizers[] = {
    {"Sequence", make_sequence},
    {"ByteLevel", make_byte_level},
    {"Split", make_split},
    {"Metaspace", make_metaspace},
    {"Digits", make_digits},
    {"Whitespace", make_whitespace},
    {"WhitespaceSplit", make_whitespace_split},
    {"Punctuation", make_punctuation},
};

}  // namespace

PreTokenizer make_pre_tokenizer(const PartJson& part) {
  if (part.is_null()) return [](std::vector<Word> words) { return words; };
  return make_component<PreTokenizer>(kPreTokenizers, part, "pre-tokenizer");
}

}  // namespace mop
