// text/conversation.cc
#include "text/conversation.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/parse_json.h"
#include "text/record_pictures.h"
#include "text/training_keys.h"

namespace mop {
namespace {

bool is_list(const Json& record, const char* key) {
  return record.contains(key) && record[key].is_array() && !record[key].empty();
}

std::string optional_text(const Json& record, const char* key, const std::string& where) {
  return get_or<std::string>(record, key, "", where);
}

// Parses a JSON string of the wanted type; returns other values unchanged.
Json parsed(const Json& value, bool (*is_wanted)(const Json&)) {
  if (!value.is_string()) return value;
  const auto json = try_parse_json(value.get_ref<const std::string&>());
  return json && is_wanted(*json) ? *json : value;
}

bool is_object(const Json& json) { return json.is_object(); }
bool is_structured(const Json& json) { return json.is_structured(); }

// The OpenAI API stores a call's arguments as a JSON string; templates expect an object.
Json with_parsed_arguments(Json calls) {
  for (Json& call : calls) {
    Json& function = call.is_object() && call.contains("function") ? call["function"] : call;
    if (function.is_object() && function.contains("arguments"))
      function["arguments"] = parsed(function["arguments"], is_object);
  }
  return calls;
}

Json as_call(const Json& function) {
  if (function.is_object() && function.contains("function")) return function;
  return {{"type", "function"}, {"function", function}};
}

// Returns `tools` as a list of functions in OpenAI's form; null when there are none.
Json tools_of(const Json& record, const std::string& where) {
  if (!record.contains("tools")) return nullptr;
  const Json tools = parsed(record["tools"], is_structured);
  if (tools.is_null() || is_empty_text(tools) || (tools.is_array() && tools.empty()))
    return nullptr;
  if (!tools.is_array()) throw bad_input("{}: `tools` is not a list", where);
  Json list = Json::array();
  for (const Json& tool : tools) list.push_back(as_call(tool));
  return list;
}

void check_parts(const Json& content, bool has_pictures, const std::string& where) {
  if (!content.is_array()) return;
  for (const Json& part : content) {
    const std::string type =
        part.is_object() ? get_or<std::string>(part, "type", "text", where) : "text";
    if (type != "text" && !(has_pictures && type == "image"))
      throw bad_input("{}: a message holds a part of type `{}`, only texts are read", where, type);
  }
}

class Builder {
 public:
  /// `has_pictures`: whether the record has pictures. `where` names the record in errors.
  Builder(bool has_pictures, std::string where)
      : has_pictures_(has_pictures), where_(std::move(where)) {}

  void add(Json message, bool learn = true) {
    refuse_keys(message, message_keys(), where_);
    const std::string role = require<std::string>(message, "role", where_);
    if (message.contains("content")) check_parts(message["content"], has_pictures_, where_);
    if (message.contains("tool_calls") && message["tool_calls"].is_array())
      message["tool_calls"] = with_parsed_arguments(message["tool_calls"]);
    if (message.contains("weight")) {
      const Json weight = message["weight"];
      if (!weight.is_null() && weight != 0 && weight != 1)
        throw bad_input("{}: a message's `weight` is {}, it can be 0 or 1", where_, weight.dump());
      learn = learn && weight != 0;
      message.erase("weight");
    }
    made_.learned.push_back(learn && role == "assistant");
    made_.messages.push_back(std::move(message));
  }

  void add_text(const char* role, const std::string& text, bool learn = true) {
    add({{"role", role}, {"content", text}}, learn);
  }

  // A turn is {from, value}, or {role, content} with ShareGPT's roles.
  void add_share_gpt(const Json& turn) {
    if (!turn.is_object())
      throw bad_input("{}: a turn is a {}, not an object", where_, turn.type_name());
    static const std::map<std::string, std::string> kRoles = {
        {"human", "user"},       {"user", "user"},           {"gpt", "assistant"},
        {"bot", "assistant"},    {"model", "assistant"},     {"chatgpt", "assistant"},
        {"bing", "assistant"},   {"assistant", "assistant"}, {"system", "system"},
        {"observation", "tool"}, {"tool", "tool"},           {"function_response", "tool"}};
    const bool shares = turn.contains("from");
    const auto from = require<std::string>(turn, shares ? "from" : "role", where_);
    if (from == "function_call") return add_call(turn);
    Json message = Json::object();
    const auto role = kRoles.find(from);
    message["role"] = role == kRoles.end() ? from : role->second;
    for (const auto& [key, value] : turn.items()) {
      if (key != "from" && key != "role") message[key == "value" ? "content" : key] = value;
    }
    add(std::move(message));
  }

  Conversation take(Json tools, const Json& record) {
    made_.options.tools = std::move(tools);
    made_.options.variables = record.value("chat_template_kwargs", Json::object());
    return std::move(made_);
  }

 private:
  void add_call(const Json& turn) {
    const char* key = turn.contains("value") ? "value" : "content";
    const Json call = parsed(turn.value(key, Json()), is_structured);
    if (!call.is_structured())
      throw bad_input("{}: a `function_call` is not JSON with `name` and `arguments`", where_);
    Json calls = Json::array();
    for (const Json& one : call.is_array() ? call : Json::array({call}))
      calls.push_back(as_call(one));
    add({{"role", "assistant"}, {"content", ""}, {"tool_calls", calls}});
  }

  bool has_pictures_;
  std::string where_;
  Conversation made_;
};

void add_alpaca(Builder& builder, const Json& record, const std::string& where) {
  if (const auto system = optional_text(record, "system", where); !system.empty())
    builder.add_text("system", system);
  if (is_list(record, "history")) {
    for (const Json& turn : record["history"]) {
      if (!turn.is_array() || turn.size() != 2 || !turn[0].is_string() || !turn[1].is_string())
        throw bad_input("{}: `history` is not a list of [question, answer]", where);
      builder.add_text("user", turn[0].get<std::string>());
      builder.add_text("assistant", turn[1].get<std::string>());
    }
  }
  const auto instruction = require<std::string>(record, "instruction", where);
  const auto input = optional_text(record, "input", where);
  builder.add_text("user", input.empty() ? instruction : instruction + "\n" + input);
  builder.add_text("assistant", require<std::string>(record, "output", where));
}

// Adds `prompt` or `completion`: a string or a list of messages.
void add_side(Builder& builder, const Json& record, const char* key, const char* role, bool learn,
              const std::string& where) {
  if (is_list(record, key)) {
    for (const Json& message : record[key]) builder.add(message, learn);
  } else {
    builder.add_text(role, require<std::string>(record, key, where), learn);
  }
}

}  // namespace

std::vector<std::string> Conversation::roles() const {
  std::vector<std::string> roles;
  for (const Json& message : messages) {
    const auto role = message["role"].get<std::string>();
    if (std::find(roles.begin(), roles.end(), role) == roles.end()) roles.push_back(role);
  }
  return roles;
}

bool is_conversation(const Json& record) {
  if (is_list(record, "messages") || is_list(record, "conversations")) return true;
  if (is_list(record, "prompt") && record.contains("completion")) return true;
  if (!record.contains("instruction")) return false;
  return is_list(record, "history") || (record.contains("system") && record["system"].is_string() &&
                                        !is_empty_text(record["system"]));
}

std::span<const std::string_view> conversation_keys(const Json& record) {
  static constexpr std::string_view kOpenAi[] = {"messages", "tools", "chat_template_kwargs"};
  static constexpr std::string_view kShareGpt[] = {"conversations", "system", "tools",
                                                   "chat_template_kwargs"};
  static constexpr std::string_view kCompletion[] = {"prompt", "completion", "tools",
                                                     "chat_template_kwargs"};
  static constexpr std::string_view kAlpaca[] = {"instruction", "input",   "output",
                                                 "system",      "history", "tools"};
  if (is_list(record, "messages")) return kOpenAi;
  if (is_list(record, "conversations")) return kShareGpt;
  if (record.contains("completion")) return kCompletion;
  return kAlpaca;
}

Conversation conversation_of(const Json& record, const std::string& where) {
  Builder builder(!pictures_of(record, where).empty(), where);
  if (is_list(record, "messages")) {
    for (const Json& message : record["messages"]) {
      if (!message.is_object())
        throw bad_input("{}: a message is a {}, not an object", where, message.type_name());
      builder.add(message);
    }
  } else if (is_list(record, "conversations")) {
    if (const auto system = optional_text(record, "system", where); !system.empty())
      builder.add_text("system", system);
    for (const Json& turn : record["conversations"]) builder.add_share_gpt(turn);
  } else if (record.contains("completion")) {
    add_side(builder, record, "prompt", "user", false, where);
    add_side(builder, record, "completion", "assistant", true, where);
  } else if (record.contains("instruction")) {
    add_alpaca(builder, record, where);
  } else {
    throw bad_input("{} is no conversation", where)
        .hint(
            "a conversation has `messages`, `conversations`, `prompt` and `completion`, or "
            "`instruction` and `output`");
  }
  return builder.take(tools_of(record, where), record);
}

}  // namespace mop
