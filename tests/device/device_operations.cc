// device/device_operations.cc -- the device's operations: memory, views and copies by themselves,
// all others by the CPU's kernels on the opened memory.
#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/InferSize.h>
#include <ATen/TensorUtils.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/library.h>

#include <set>

#include "device/device_attention.h"
#include "device/device_state.h"

namespace mop::testing::opaque {
namespace {

constexpr auto kKey = c10::DispatchKey::PrivateUse1;

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type,
                 std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>,
                 std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &device_memory(), c10::DispatchKeySet(kKey),
                                   c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride,
                         std::optional<at::ScalarType> type, std::optional<at::Layout>,
                         std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &device_memory(),
                                           c10::DispatchKeySet(kKey), c10::dtype_or_default(type));
}

at::Tensor alias(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride,
                 std::optional<int64_t> offset) {
  at::Tensor view = at::detail::make_tensor<c10::TensorImpl>(
      c10::TensorImpl::VIEW, c10::Storage(self.storage()), self.key_set(), self.dtype());
  view.unsafeGetTensorImpl()->set_sizes_and_strides(size, stride,
                                                    offset.value_or(self.storage_offset()));
  return view;
}

at::Tensor reshape_alias(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride) {
  return alias(self, size, stride, std::nullopt);
}

at::Tensor view(const at::Tensor& self, at::IntArrayRef size) {
  const auto exact = at::infer_size_dv(size, self.numel());
  const auto stride = at::detail::computeStride(self.sizes(), self.strides(), exact);
  TORCH_CHECK(stride.has_value(), "a tensor of sizes ", self.sizes(), " and strides ",
              self.strides(), " cannot be viewed as ", size);
  return alias(self, exact, *stride, std::nullopt);
}

// New contents are undefined, as those of a GPU's tensor that grows are not.
const at::Tensor& resize(const at::Tensor& self, at::IntArrayRef size,
                         std::optional<at::MemoryFormat> format) {
  TORCH_CHECK(!format || *format == at::MemoryFormat::Contiguous, "a tensor that is resized");
  c10::TensorImpl* impl = self.unsafeGetTensorImpl();
  impl->set_sizes_contiguous(size);
  const auto bytes = static_cast<size_t>(self.numel() + self.storage_offset()) * self.itemsize();
  if (bytes <= self.storage().nbytes()) return self;
  TORCH_CHECK(self.storage().nbytes() == 0, "the opaque device does not grow tensors");
  self.storage().set_data_ptr_noswap(device_memory().allocate(bytes));
  self.storage().set_nbytes(bytes);
  return self;
}

void count_copy(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  const int64_t bytes = to.numel() * static_cast<int64_t>(from.itemsize());
  if (!from.is_cpu() && !to.is_cpu()) return count_operation("copy_");
  if (to.is_cpu()) {
    return count([&](Traffic& traffic) {
      ++traffic.downloads;
      traffic.download_bytes += bytes;
    });
  }
  // A GPU's blocking copy converts before the bytes travel, one that does not block behind it.
  const int64_t moved = non_blocking ? bytes : static_cast<int64_t>(to.nbytes());
  const bool pageable = !is_pinned(from.storage().data());
  count([&](Traffic& traffic) {
    ++traffic.uploads;
    traffic.upload_bytes += moved;
    if (pageable) traffic.pageable_bytes += moved;
  });
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  count_copy(from, to, non_blocking);
  {
    const Operation operation("copy_", {from}, {to});
    host_view(to).copy_(host_view(from));
  }
  // Pageable memory is read, and written, before the call returns.
  const at::Tensor& host = from.is_cpu() ? from : to;
  if (host.is_cpu() && (!non_blocking || !is_pinned(host.storage().data()))) {
    host_waited_for_stream();
  }
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  if (to.sizes() != from.sizes()) to.resize_(from.sizes());
  return copy_from(from, to, false);
}

at::Scalar local_scalar(const at::Tensor& self) {
  count([](Traffic& traffic) { ++traffic.scalars; });
  at::Scalar value;
  {
    const Operation operation("item", {self}, {});
    value = host_view(self).item();
  }
  host_waited_for_stream();
  return value;
}

void record_stream(at::Tensor& self, at::Stream stream) {
  c10::impl::VirtualGuardImpl(kOpaque).recordDataPtrOnStream(self.storage().data_ptr(), stream);
}

// A call of the CPU's kernel with the device's tensors replaced by views of their memory.
class HostCall {
 public:
  HostCall(const c10::OperatorHandle& op, torch::jit::Stack& stack)
      : op_(op), stack_(stack), name_(op.schema().operator_name().name.substr(6)) {}

  void run() {
    take_arguments();
    count_operation(name_);
    {
      const Operation operation(name_, reads_, writes_);
      for (const size_t i : tensors_) stack_[i] = on_host(stack_[i]);
      op_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack_);
    }
    give_results();
    if (host_waits_) {
      count([](Traffic& traffic) { ++traffic.scalars; });
      host_waited_for_stream();
    }
  }

 private:
  // What the CPU was handed for a device tensor that is written.
  struct Written {
    at::Tensor device, host;
  };

  void take_arguments() {
    const auto& schema = op_.schema().arguments();
    first_ = stack_.size() - schema.size();
    for (size_t a = 0; a < schema.size(); ++a) {
      c10::IValue& value = stack_[first_ + a];
      TORCH_CHECK(schema[a].name() != "generator", name_,
                  ": the device draws other random numbers than the CPU");
      const auto* alias = schema[a].alias_info();
      auto& list = alias != nullptr && alias->isWrite() ? writes_ : reads_;
      const size_t before = list.size();
      if (value.isTensor()) {
        add(list, value.toTensor());
      } else if (value.isTensorList()) {
        for (const at::Tensor& tensor : value.toTensorVector()) add(list, tensor);
      } else if (value.isOptionalTensorList()) {
        for (const auto& tensor : value.toOptionalTensorVector()) {
          if (tensor) add(list, *tensor);
        }
      } else if (value.isDevice()) {
        value = c10::Device(c10::kCPU);
      }
      if (list.size() > before) tensors_.push_back(first_ + a);
    }
  }

  void add(std::vector<at::Tensor>& list, const at::Tensor& tensor) const {
    if (!tensor.defined()) return;
    // Numbers may lie anywhere, as for a GPU.
    TORCH_CHECK(!tensor.is_cpu() || tensor.dim() == 0, name_,
                ": Expected all tensors to be on the same device, but found one of sizes ",
                tensor.sizes(), " on the CPU");
    list.push_back(tensor);
  }

  at::Tensor host_tensor(const at::Tensor& tensor) {
    if (!tensor.defined() || tensor.is_cpu()) return tensor;
    const bool written = std::any_of(writes_.begin(), writes_.end(),
                                     [&](const at::Tensor& w) { return w.is_same(tensor); });
    // An empty result grows with what is put into it.
    const at::Tensor host = written && tensor.numel() == 0
                                ? at::empty({0}, tensor.options().device(c10::kCPU))
                                : host_view(tensor);
    if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) {
      host.unsafeGetTensorImpl()->set_wrapped_number(true);
    }
    if (written) written_.push_back({tensor, host});
    return host;
  }

  c10::IValue on_host(const c10::IValue& value) {
    if (value.isTensor()) return host_tensor(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(host_tensor(tensor));
      return list;
    }
    c10::List<std::optional<at::Tensor>> list;
    for (const auto& tensor : value.toOptionalTensorVector()) {
      list.push_back(tensor ? std::optional(host_tensor(*tensor)) : std::nullopt);
    }
    return list;
  }

  // `host` came out of a kernel -> the device tensor that it stands for, or a new one.
  at::Tensor on_device(const at::Tensor& host) const {
    if (!host.defined()) return host;
    for (const Written& written : written_) {
      if (host.is_same(written.host)) return written.device;
    }
    const bool dense = host.is_non_overlapping_and_dense();
    const auto options = host.options().device(kDevice);
    at::Tensor device = dense ? at::empty_strided(host.sizes(), host.strides(), options)
                              : at::empty(host.sizes(), options);
    fill(device, host);
    return device;
  }

  void fill(const at::Tensor& device, const at::Tensor& host) const {
    const Operation operation(name_, {}, {device});
    host_view(device).copy_(host);
  }

  void give_results() {
    for (const Written& written : written_) {
      if (written.device.numel() > 0 || written.host.numel() == 0) continue;
      written.device.resize_(written.host.sizes());
      fill(written.device, written.host);
    }
    const auto& schema = op_.schema().returns();
    const size_t first = stack_.size() - schema.size();
    for (size_t r = 0; r < schema.size(); ++r) {
      c10::IValue& value = stack_[first + r];
      const auto* alias = schema[r].alias_info();
      TORCH_CHECK(alias == nullptr || alias->isWrite(), name_, " is a view that is not registered");
      if (value.isTensor()) {
        value = on_device(value.toTensor());
      } else if (value.isTensorList()) {
        c10::List<at::Tensor> list;
        for (const at::Tensor& host : value.toTensorVector()) list.push_back(on_device(host));
        value = list;
      } else if (!value.isNone()) {
        host_waits_ = true;
      }
    }
    static const std::set<std::string> sized = {"nonzero", "masked_select", "_unique2",
                                                "unique_dim", "repeat_interleave"};
    host_waits_ |= sized.contains(name_);
  }

  const c10::OperatorHandle& op_;
  torch::jit::Stack& stack_;
  std::string name_;
  size_t first_ = 0;
  std::vector<size_t> tensors_;  // places on the stack
  std::vector<at::Tensor> reads_, writes_;
  std::vector<Written> written_;
  bool host_waits_ = false;
};

void run_on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  HostCall(op, *stack).run();
}

}  // namespace

void register_operations() {
  static torch::Library own(torch::Library::IMPL, "aten", kKey, __FILE__, __LINE__);
  own.impl("empty.memory_format", &empty);
  own.impl("empty_strided", &empty_strided);
  own.impl("as_strided", &alias);
  own.impl("view", &view);
  own.impl("_reshape_alias", &reshape_alias);
  own.impl("resize_", &resize);
  own.impl("_copy_from", &copy_from);
  own.impl("_copy_from_and_resize", &copy_from_and_resize);
  own.impl("_local_scalar_dense", &local_scalar);
  own.impl("record_stream", &record_stream);
  register_attention(own);
  static torch::Library others(torch::Library::IMPL, "_", kKey, __FILE__, __LINE__);
  others.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

}  // namespace mop::testing::opaque
