// text/jinja/globals.cc -- the global functions of templates.
#include <algorithm>

#include "base/error.h"
#include "text/jinja/scope.h"
#include "text/jinja/tables.h"

namespace mop::jinja {
namespace {

class Bound final : public Object {
 public:
  Bound(std::string name, Function function, Value subject)
      : name_(std::move(name)), function_(std::move(function)), subject_(std::move(subject)) {
    depth_ = depth_of({subject_});
  }
  std::string type() const override { return "function (" + name_ + ")"; }
  bool is_callable() const override { return true; }
  Value call(const Arguments& arguments) override { return function_(subject_, arguments); }

 private:
  std::string name_;
  Function function_;
  Value subject_;
};

class Namespace final : public Object {
 public:
  explicit Namespace(Dict members) : members_(std::move(members)) {}
  std::string type() const override { return "namespace"; }
  Value attribute(const std::string& name) const override {
    const Value* found = members_.find(name);
    return found == nullptr ? Value(Undefined{name}) : *found;
  }
  void set(const std::string& name, Value value) override { members_.set(name, std::move(value)); }
  void clear() override { members_ = {}; }

 private:
  Dict members_;
};

class Cycler final : public Object {
 public:
  explicit Cycler(List items) : items_(std::move(items)) {
    if (items_.empty()) throw bad_input("cycler needs at least one value");
    depth_ = depth_of(items_);
    Work::make_elements(items_.size());
  }
  std::string type() const override { return "cycler"; }
  Value attribute(const std::string& name) const override {
    if (name == "current") return items_[at_];
    if (name == "next") return bound(name, next, self());
    if (name == "reset") return bound(name, reset, self());
    return Undefined{name};
  }

 private:
  static Value next(const Value& self, const Arguments&) {
    auto& cycler = static_cast<Cycler&>(*self.object());
    const Value now = cycler.items_[cycler.at_];
    cycler.at_ = (cycler.at_ + 1) % cycler.items_.size();
    return now;
  }
  static Value reset(const Value& self, const Arguments&) {
    static_cast<Cycler&>(*self.object()).at_ = 0;
    return None{};
  }
  List items_;
  size_t at_ = 0;
};

class Joiner final : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) { separator_.text("joiner"); }
  std::string type() const override { return "joiner"; }
  bool is_callable() const override { return true; }
  Value call(const Arguments&) override {
    return std::exchange(used_, true) ? separator_ : Value("");
  }

 private:
  Value separator_;
  bool used_ = false;
};

// dict(mapping or pairs, a=b)
Dict make_dict(const Arguments& in) {
  Dict dict;
  if (in.positional.size() > 1)
    throw bad_input("dict takes one mapping, not {}", in.positional.size());
  if (!in.positional.empty()) {
    const Value& from = in.positional[0];
    if (from.dict() != nullptr) {
      dict = *from.dict();
    } else {
      for (const Value& pair : elements(from)) dict.set(item(pair, 0), item(pair, 1));
    }
  }
  for (const auto& [name, value] : in.named) dict.set(name, value);
  return dict;
}

template <typename Made, typename... Args>
Value made(Args&&... args) {
  return std::shared_ptr<Object>(std::make_shared<Made>(std::forward<Args>(args)...));
}

Value raise(const Value&, const Arguments& in) {
  throw bad_input("the chat template refuses the conversation: {}",
                  to_text(in.get(0, "message", "no reason given")))
      .hint("change the messages (their roles and order, tools), or the model's chat template");
}

Value range(const Value&, const Arguments& in) {
  std::vector<int64_t> n;
  for (const Value& value : in.positional) n.push_back(value.integer("range"));
  if (n.empty() || n.size() > 3 || (n.size() == 3 && n[2] == 0))
    throw bad_input("range needs 1 to 3 numbers, the third not 0");
  const int64_t begin = n.size() > 1 ? n[0] : 0, end = n.size() > 1 ? n[1] : n[0];
  const int64_t step = n.size() > 2 ? n[2] : 1;
  constexpr size_t kLongest = 100000;  // jinja2's sandbox has the same limit
  List list;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (list.size() == kLongest) throw bad_input("a range has more than {} numbers", kLongest);
    list.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return list;
}

Value strftime_now(const Rendering& rendering, const Arguments& in) {
  std::tm when{};
  if (rendering.now.utc) {
    gmtime_r(&rendering.now.seconds, &when);
  } else {
    localtime_r(&rendering.now.seconds, &when);
  }
  const std::string format = in.text(0, "format", "");
  Work::check_length(format.size() * 16);
  Work::look_at(format.size() * 16);
  std::string text(format.size() * 16 + 256, '\0');
  text.resize(std::strftime(text.data(), text.size(), format.c_str(), &when));
  return text;
}

const Table& globals() {
  static const Table table = {
      {"raise_exception", raise},
      {"range", range},
      {"namespace",
       [](const Value&, const Arguments& in) {
         Dict members = make_dict(in);
         Work::make_elements(8 + 2 * members.items().size());
         const auto object = std::make_shared<Namespace>(std::move(members));
         Work::keep(object);  // it can come to refer to itself
         return Value(std::shared_ptr<Object>(object));
       }},
      {"dict", [](const Value&, const Arguments& in) { return Value(make_dict(in)); }},
      {"cycler", [](const Value&, const Arguments& in) { return made<Cycler>(in.positional); }},
      {"joiner", [](const Value&, const Arguments& in) {
         const Value separator = in.get(0, "sep", None{});
         return made<Joiner>(separator.is_none() ? Value(", ") : separator);
       }}};
  return table;
}

}  // namespace

Value bound(std::string name, const Function& function, Value subject) {
  return made<Bound>(std::move(name), function, std::move(subject));
}

Value find_global(const std::string& name, Rendering& rendering) {
  if (name == "strftime_now") {
    return bound(
        name,
        [&rendering](const Value&, const Arguments& in) { return strftime_now(rendering, in); },
        None{});
  }
  const auto row = globals().find(name);
  return row == globals().end() ? Value(Undefined{name}) : bound(name, row->second, None{});
}

}  // namespace mop::jinja
