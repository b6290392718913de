// text/question_prompt.h -- a ScienceQA record as a text: a question and its lettered choices.
#pragma once
#include <string>
#include <string_view>

#include "base/json.h"

namespace mop {

/// "Question: ..\nOptions: (A) .. (B) ..\nAnswer:", behind the words of the record's pictures.
/// Throws Error(kBadInput) naming `where` when the choices are no list of up to 26 texts.
std::string question_prompt(const Json& record, std::string_view where);

}  // namespace mop
