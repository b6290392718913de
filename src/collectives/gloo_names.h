// collectives/gloo_names.h -- the names of Gloo's types that LibTorch's ProcessGroupGloo.hpp
// mentions.
//
// LibTorch's library holds Gloo, its wheel lacks Gloo's headers. The class we use,
// ProcessGroupGloo, holds Gloo's objects behind shared_ptr only, so that its size and its virtual
// table depend on LibTorch's own headers alone; declaring the names is enough, and nothing declared
// here is ever made, derived from or called by us. (The same version's headers would serve; another
// version's, such as Debian's, might not.) cmake/Gloo.cmake compiles a check when the build is
// configured.
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
