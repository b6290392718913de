// text/sentencepiece_json.h -- a SentencePiece tokenizer written as a tokenizer.json.
#pragma once
#include <filesystem>
#include <string>

namespace mop {

/// The tokenizer.json of the SentencePiece BPE model `folder`/tokenizer.model, as transformers
/// converts a LLaMA's: for readers that pick the tokenizer by the model's type and do not know this
/// folder's. Ids are the same but for user-defined symbols (added tokens there) and, where `legacy`
/// is false, texts that begin with a blank. Empty when the folder has a tokenizer.json already, no
/// tokenizer.model, or one that is not SentencePiece BPE or that normalises letters.
std::string sentencepiece_as_json(const std::filesystem::path& folder);

}  // namespace mop
