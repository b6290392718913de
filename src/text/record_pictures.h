// text/record_pictures.h -- the pictures of a data record, for multimodal models.
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

/// Label of tokens that are not learned.
inline constexpr int64_t kNoLoss = -100;

/// Placeholder of a picture in a text, as in LLaVA's data and processors.
inline constexpr std::string_view kPictureWord = "<image>";

/// Returns the file names of a record's pictures, `image` (a name) or `images` (a list of names),
/// in the order of their placeholders; empty when it has none. Throws Error(kBadInput) naming
/// `where` for other types.
std::vector<std::string> pictures_of(const Json& record, std::string_view where);

/// Returns the error for a picture given to a model without vision.
Error unread_picture(std::string_view name);

/// Returns "<image>\n" for each picture.
std::string words_of_pictures(size_t pictures);
/// Prepends the placeholders to `text`, unless the text already contains some.
std::string with_words_of_pictures(const std::string& text, size_t pictures);

/// Replaces each placeholder in a sample by the picture's tokens, in `ids` and, unless null,
/// `labels`. `was_cut`: placeholders of later pictures may be missing.
using PlacePictures = std::function<void(std::vector<int64_t>& ids, std::vector<int64_t>* labels,
                                         const std::vector<std::string>& pictures, bool was_cut)>;

/// Converts the conversation to the contents that `chat` expects: strings, when the template
/// renders strings and the placeholders of `pictures` pictures; otherwise lists of parts, pictures
/// before the text ({"type": "image"}, {"type": "text", "text": ..}), which many templates of
/// vision-language models require.
Conversation as_template_expects(Conversation conversation, const ChatTemplate& chat,
                                 size_t pictures);

}  // namespace mop
