// text/sentencepiece_json.h -- converts a SentencePiece model to a tokenizer.json.
#pragma once
#include <filesystem>
#include <string>

namespace mop {

/// Returns a tokenizer.json for the SentencePiece BPE model `folder`/tokenizer.model, converted as
/// transformers converts LLaMA's. For programs that select the tokenizer by the model's type and do
/// not know the type of this folder. Ids are the same except for user-defined symbols (added tokens
/// there) and, where `legacy` is false, texts that begin with a blank. Empty when the folder
/// already has a tokenizer.json, has no tokenizer.model, or one that is not SentencePiece BPE or
/// that normalises letters.
std::string sentencepiece_as_json(const std::filesystem::path& folder);

}  // namespace mop
