// text/jinja/object.h -- what only exists during a rendering.
#pragma once
#include <memory>
#include <string>

namespace mop::jinja {

class Value;
struct Arguments;

/// An object that exists only during a rendering: a namespace, a loop, a macro, a function.
class Object : public std::enable_shared_from_this<Object> {
 public:
  virtual ~Object() = default;
  virtual std::string type() const = 0;  ///< "macro", for errors
  virtual Value attribute(const std::string& name) const;
  /// Throws Error(kBadInput) unless it is a namespace.
  virtual void set(const std::string& name, Value value);
  virtual bool is_callable() const { return false; }
  virtual Value call(const Arguments& arguments);
  /// Releases the values it holds, to break reference cycles.
  virtual void clear() {}
  /// Nesting depth of the values it holds.
  int depth() const { return depth_; }

 protected:
  /// This object as a value: what its functions are bound to, since they may outlive its name.
  Value self() const;
  int depth_ = 0;
};

}  // namespace mop::jinja
