// text/question_prompt.cc
#include "text/question_prompt.h"

#include "base/error.h"
#include "text/record_pictures.h"

namespace mop {

std::string question_prompt(const Json& record, std::string_view where) {
  const Json& choices = record["choices"];
  if (!choices.is_array() || choices.size() > 26)
    throw bad_input("{}: `choices` is not a list of up to 26", where);
  std::string options;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (!choices[i].is_string()) throw bad_input("{}: choice {} is not a text", where, i + 1);
    options += fmt::format(" ({}) {}", static_cast<char>('A' + i), choices[i].get<std::string>());
  }
  return fmt::format(
      "{}Question: {}\nOptions:{}\nAnswer:", words_of_pictures(pictures_of(record, where).size()),
      require<std::string>(record, "question", where), options);
}

}  // namespace mop
