// device/device_streams.cc -- streams and events. Work is done when it is asked for; what is kept
// is which work a stream, or the host, could rely on if every stream ran at its own pace.
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "device/device_state.h"

namespace mop::testing::opaque {
namespace {

thread_local c10::StreamId thread_stream = 0;

c10::Stream stream_of(c10::StreamId id) { return c10::Stream(c10::Stream::UNSAFE, kDevice, id); }

c10::Stream new_stream() {
  static std::atomic<c10::StreamId> last{0};
  return stream_of(++last);
}

Clock& snapshot(void* event) { return *static_cast<Clock*>(event); }

// Waiting of the host for what `done` returns with the mutex held.
template <typename Done>
void wait(Done&& done) {
  const std::lock_guard lock(state().mutex);
  ++state().traffic.waits;
  host_waited_for(done());
}

class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return kOpaque; }
  c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
  c10::Device getDevice() const override { return kDevice; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

  c10::Stream getStream(c10::Device) const override { return stream_of(thread_stream); }
  c10::Stream getDefaultStream(c10::Device) const override { return stream_of(0); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return new_stream(); }
  c10::Stream getNewStream(c10::Device, int) const override { return new_stream(); }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return stream_of(std::exchange(thread_stream, stream.id()));
  }
  bool queryStream(const c10::Stream& stream) const override {
    const std::lock_guard lock(state().mutex);
    host_waited_for(known_to(stream.id()));
    return true;
  }
  void synchronizeStream(const c10::Stream& stream) const override {
    wait([&] { return known_to(stream.id()); });
  }
  void synchronizeDevice(c10::DeviceIndex) const override {
    wait([] {
      Clock all;
      for (const auto& [stream, clock] : state().streams) merge(all, clock);
      return all;
    });
  }
  void recordDataPtrOnStream(const c10::DataPtr& data, const c10::Stream& stream) const override {
    const std::lock_guard lock(state().mutex);
    if (auto* block = block_of(data.get())) block->second.kept_for.insert(stream.id());
  }

  void record(void** event, const c10::Stream& stream, c10::DeviceIndex,
              c10::EventFlag) const override {
    if (*event == nullptr) *event = new Clock;
    const std::lock_guard lock(state().mutex);
    snapshot(*event) = known_to(stream.id());
  }
  void block(void* event, const c10::Stream& stream) const override {
    if (event == nullptr) return;
    const std::lock_guard lock(state().mutex);
    merge(state().streams[stream.id()], snapshot(event));
  }
  bool queryEvent(void* event) const override {
    const std::lock_guard lock(state().mutex);
    if (event != nullptr) host_waited_for(snapshot(event));
    return true;
  }
  void synchronizeEvent(void* event) const override {
    if (event == nullptr) return;
    wait([&] { return snapshot(event); });
  }
  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override {
    delete static_cast<Clock*>(event);
  }
};

}  // namespace

void merge(Clock& into, const Clock& other) {
  for (const auto& [stream, done] : other) into[stream] = std::max(into[stream], done);
}

bool covers(const Clock& known, const Clock& uses) {
  return std::all_of(uses.begin(), uses.end(), [&](const auto& use) {
    const auto it = known.find(use.first);
    return it != known.end() && it->second >= use.second;
  });
}

c10::StreamId current_stream() { return thread_stream; }

Clock known_to(c10::StreamId stream) {
  Clock known = state().streams[stream];
  merge(known, state().host);
  return known;
}

void host_waited_for_stream() {
  const std::lock_guard lock(state().mutex);
  host_waited_for(known_to(thread_stream));
}

void check_given_back(const Block& block) {
  if (block.pinned) return;  // LibTorch keeps pinned memory until its copies are done
  const Clock known = known_to(block.home);
  for (const Clock* uses : {&block.reads, &block.writes}) {
    for (const auto& use : *uses) {
      if (block.kept_for.contains(use.first) || covers(known, {use})) continue;
      state().hazards.push_back("memory of stream " + std::to_string(block.home) +
                                " is given back while stream " + std::to_string(use.first) +
                                " works on it");
    }
  }
}

void register_streams() {
  static const Guard guard;
  static const c10::impl::DeviceGuardImplRegistrar registrar(kOpaque, &guard);
}

}  // namespace mop::testing::opaque
