// text/record_pictures.h -- the pictures that a record of a data file names, for models that see.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/conversation.h"

namespace mop {

/// The label of a token that is given, not learned.
inline constexpr int64_t kNoLoss = -100;

/// The word that stands for a picture in a text, as LLaVA's data and processors have it.
inline constexpr std::string_view kPictureWord = "<image>";

/// File names of a record's pictures: `image` (a name) or `images` (a list of names), in the order
/// of their words; empty = it has none. Throws Error(kBadInput) naming `where` for anything else.
std::vector<std::string> pictures_of(const Json& record, std::string_view where);

/// What is thrown when a model that reads no pictures is given one.
Error unread_picture(std::string_view name);

/// "<image>\n" for each of them.
std::string words_of_pictures(size_t pictures);
/// `text` behind them, or as it is when it says itself where they are.
std::string with_words_of_pictures(const std::string& text, size_t pictures);

/// Turns each picture's word in a sample into the tokens that the picture is: `ids`, and `labels`
/// beside them unless null. `was_cut`: words of later pictures may be gone.
using PlacePictures = std::function<void(std::vector<int64_t>& ids, std::vector<int64_t>* labels,
                                         const std::vector<std::string>& pictures, bool was_cut)>;

/// The conversation as `chat` expects its contents: texts as they are, where the template writes
/// them and the words of `pictures` pictures through; otherwise lists of parts, pictures before the
/// text ({"type": "image"}, {"type": "text", "text": ..}), which templates of vision-language
/// models take alone.
Conversation as_template_expects(Conversation conversation, const ChatTemplate& chat,
                                 size_t pictures);

}  // namespace mop
