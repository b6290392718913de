// collectives/gloo_names.h -- declarations of the Gloo types that LibTorch's ProcessGroupGloo.hpp
// mentions.
//
// LibTorch's library contains Gloo, but its wheel lacks Gloo's headers. ProcessGroupGloo holds
// Gloo's objects by shared_ptr only, so its size and virtual table depend on LibTorch's headers
// alone. Declaring the names is therefore enough: we never create, derive from or call these types.
// (Gloo's headers of the same version would work; another version, such as Debian's, might not.)
// cmake/Gloo.cmake compiles a check at configuration time.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

namespace transport {
class Device;
class UnboundBuffer {
 public:
  virtual ~UnboundBuffer();
};
}  // namespace transport

namespace rendezvous {
class Store {
 public:
  virtual ~Store();
  virtual void set(const std::string& key, const std::vector<char>& value) = 0;
  virtual std::vector<char> get(const std::string& key) = 0;
  virtual void wait(const std::vector<std::string>& keys) = 0;
  virtual void wait(const std::vector<std::string>& keys,
                    const std::chrono::milliseconds& timeout) = 0;
};
}  // namespace rendezvous

}  // namespace gloo
