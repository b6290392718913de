// collectives/gloo_group.cc
#include "collectives/gloo_group.h"

#ifdef MOP_HAS_GLOO
#define USE_C10D_GLOO
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "base/error.h"
#include "base/progress.h"
#include "collectives/buckets.h"

namespace mop {
namespace {

using Group = c10d::ProcessGroupGloo;

// Returns the first line of LibTorch's message without its source location.
std::string reason(const std::exception& e) {
  const auto* error = dynamic_cast<const c10::Error*>(&e);
  std::string text = error != nullptr ? error->what_without_backtrace() : e.what();
  text = text.substr(0, text.find('\n'));
  if (text.starts_with('[')) text = text.substr(std::min(text.find("] "), text.size() - 2) + 2);
  return text.substr(0, text.find(". "));
}

Error broken(const RankPlace& place, const std::exception& e) {
  return io_error("another process of this job ended or does not answer")
      .where("rank", fmt::format("{} of {}", place.rank, place.size))
      .where("cause", reason(e))
      .hint("the first error of another rank says why; MOP_RANK_TIMEOUT sets how long to wait (s)");
}

// Runs `call` and converts its exceptions: LibTorch's threads throw many types.
template <typename Call>
auto guarded(const RankPlace& place, Call call) {
  try {
    return call();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    throw broken(place, e);
  }
}

using Clock = std::chrono::steady_clock;

// Rank 0 listens; the others connect, in short attempts so that a stop request is noticed.
c10::intrusive_ptr<c10d::Store> open_store(const RankPlace& place) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(place.port);
  options.isServer = place.rank == 0 && !place.agent_listens;
  options.numWorkers = place.size;
  options.waitWorkers = false;
  options.timeout = std::min<std::chrono::seconds>(place.timeout, std::chrono::seconds(5));
  const Clock::time_point deadline = Clock::now() + place.timeout;
  while (true) {
    try {
      auto store = c10::make_intrusive<c10d::TCPStore>(place.address, options);
      store->setTimeout(place.timeout);
      return c10::make_intrusive<c10d::PrefixStore>(fmt::format("mop/{}", place.restart), store);
    } catch (const std::exception&) {
      check_stop();
      if (options.isServer || Clock::now() >= deadline) throw;
    }
  }
}

// Waits for all ranks. Throws on timeout.
void wait_for_all(const RankPlace& place, c10d::Store& store) {
  const Clock::time_point deadline = Clock::now() + place.timeout;
  std::vector<std::string> here;
  for (int64_t rank = 0; rank < place.size; ++rank) here.push_back(fmt::format("here/{}", rank));
  store.set(here[static_cast<size_t>(place.rank)], std::vector<uint8_t>{1});
  while (!store.check(here)) {
    check_stop();
    if (Clock::now() >= deadline) throw std::runtime_error("some ranks did not join in time");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

c10::intrusive_ptr<Group::Options> group_options(const RankPlace& place) {
  auto options = Group::Options::create(place.timeout);
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  const bool local = place.address == "localhost" || place.address.starts_with("127.");
  if (interface != nullptr && *interface != '\0') {
    options->devices.push_back(Group::createDeviceForInterface(interface));
  } else if (local) {
    options->devices.push_back(Group::createDeviceForHostname(place.address));
  } else {
    options->devices.push_back(Group::createDefaultDevice());
  }
  return options;
}

class GlooRanks final : public Collectives {
 public:
  explicit GlooRanks(const RankPlace& place) : place_(place) {
    store_ = open_store(place);
    wait_for_all(place, *store_);
    group_ = c10::make_intrusive<Group>(store_, static_cast<int>(place.rank),
                                        static_cast<int>(place.size), group_options(place));
  }

  int64_t rank() const override { return place_.rank; }
  int64_t size() const override { return place_.size; }

  // Takes part in the question that ranks with NCCL ask; this rank answers no.
  void meet_on(c10::Device) override { sum(int64_t{0}); }

  void all_reduce(const std::vector<at::Tensor>& tensors) override {
    send_each(tensors, [&](std::vector<at::Tensor>& flat) { group_->allreduce(flat)->wait(); });
  }

  using Collectives::broadcast;
  void broadcast(const std::vector<at::Tensor>& tensors) override {
    send_each(tensors, [&](std::vector<at::Tensor>& flat) { group_->broadcast(flat)->wait(); });
  }

  std::vector<std::string> all_gather(std::string_view bytes) override {
    const at::Tensor sizes_R = at::zeros({size()}, at::kLong);
    sizes_R[rank()] = static_cast<int64_t>(bytes.size());
    all_reduce({sizes_R});
    const int64_t longest = sizes_R.max().item<int64_t>();
    std::vector<std::string> all(static_cast<size_t>(size()));
    if (longest == 0) return all;
    const at::Tensor mine = at::zeros({longest}, at::kByte);
    std::memcpy(mine.data_ptr(), bytes.data(), bytes.size());
    std::vector<at::Tensor> in = {mine};
    std::vector<std::vector<at::Tensor>> out(1);
    for (int64_t r = 0; r < size(); ++r) out[0].push_back(at::empty({longest}, at::kByte));
    guarded(place_, [&] { group_->allgather(out, in)->wait(); });
    for (size_t r = 0; r < all.size(); ++r) {
      const auto length = static_cast<size_t>(sizes_R[static_cast<int64_t>(r)].item<int64_t>());
      all[r].assign(static_cast<const char*>(out[0][r].data_ptr()), length);
    }
    return all;
  }

 private:
  template <typename Send>
  void send_each(const std::vector<at::Tensor>& tensors, const Send& send) {
    for_each_bucket(tensors, at::kCPU, [&](const at::Tensor& bucket) {
      std::vector<at::Tensor> flat = {bucket};
      guarded(place_, [&] { send(flat); });
    });
  }

  RankPlace place_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<Group> group_;
};

}  // namespace

std::shared_ptr<Collectives> join_gloo(const RankPlace& place) {
  try {
    return std::make_shared<GlooRanks>(place);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    throw io_error("the {} processes of this job did not all come together", place.size)
        .where("rank", fmt::format("{} of {}", place.rank, place.size))
        .where("meeting at", fmt::format("{}:{}", place.address, place.port))
        .where("cause", reason(e))
        .hint("start all ranks with the same MASTER_ADDR and MASTER_PORT; the port must be free");
  }
}

}  // namespace mop
#endif
