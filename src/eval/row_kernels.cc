// eval/row_kernels.cc -- makes two passes over each row while it is in cache: the maximum, then the
// sum of exponentials. LibTorch's log_softmax would write the whole row to memory to read one
// number of it.
#include "eval/row_kernels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <limits>

#include "model/kernel_parts.h"
#include "tensor/clones.h"

namespace mop {
namespace {

// Terms summed in float32; the block sums are added in double. Long rows keep their precision for
// any vector width (builds with sanitizers have a smaller one).
constexpr int64_t kBlock = 1024;

template <typename T>
MOP_INLINE float row_max(const T* x, int64_t n) {
  float top = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : top)
  for (int64_t i = 0; i < n; ++i) top = to_float(x[i]) > top ? to_float(x[i]) : top;
  // Clang begins each lane of a maximum at the lowest finite number, GCC at -inf.
  constexpr float kLowest = std::numeric_limits<float>::lowest();
  return top > kLowest ? top : -std::numeric_limits<float>::infinity();
}

template <typename T>
MOP_INLINE float row_log_sum(const T* x, int64_t n, float top) {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, n);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += exponential<float>(to_float(x[i]) - top);
    total += sum;
  }
  return static_cast<float>(top + std::log(total));
}

// KL = sum_v p_v (a_v - b_v) - (log sum exp a - log sum exp b), a and b the logits of p and q.
template <typename T>
MOP_INLINE float kl_of_row(const T* a, const T* b, int64_t n) {
  const float top_a = row_max(a, n), top_b = row_max(b, n);
  double total_p = 0, total_q = 0, total_weighted = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, n);
    float sum_p = 0, sum_q = 0, weighted = 0;
#pragma omp simd reduction(+ : sum_p, sum_q, weighted)
    for (int64_t i = begin; i < end; ++i) {
      const float from_top = to_float(a[i]) - top_a, other = to_float(b[i]) - top_b;
      const float p = exponential<float>(from_top);
      sum_p += p;
      sum_q += exponential<float>(other);
      weighted += p * (from_top - other);
    }
    total_p += sum_p;
    total_q += sum_q;
    total_weighted += weighted;
  }
  return static_cast<float>(total_weighted / total_p - std::log(total_p) + std::log(total_q));
}

// Destination of the scores of rows.
struct Out {
  float* nll;
  bool* greedy;
};

template <typename T>
MOP_INLINE void score_rows(const T* logits, const int64_t* targets, Out out, int64_t rows,
                           int64_t vocab) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* row = logits + r * vocab;
    const float top = row_max(row, vocab), own = to_float(row[targets[r]]);
    out.nll[r] = row_log_sum(row, vocab, top) - own;
    // The first of equal maxima, as argmax.
    out.greedy[r] = own >= top && std::find_if(row, row + targets[r], [&](T logit) {
                                    return to_float(logit) >= top;
                                  }) == row + targets[r];
  }
}

template <typename T>
MOP_INLINE void kl_rows(const T* p, const T* q, float* kl, int64_t rows, int64_t vocab) {
  for (int64_t r = 0; r < rows; ++r) kl[r] = kl_of_row(p + r * vocab, q + r * vocab, vocab);
}

MOP_CLONES void score_some(const float* logits, const int64_t* targets, Out out, int64_t rows,
                           int64_t vocab) {
  score_rows(logits, targets, out, rows, vocab);
}
MOP_CLONES void score_some(const uint16_t* bfloat16, const int64_t* targets, Out out, int64_t rows,
                           int64_t vocab) {
  score_rows(bfloat16, targets, out, rows, vocab);
}
MOP_CLONES void kl_some(const float* p, const float* q, float* kl, int64_t rows, int64_t vocab) {
  kl_rows(p, q, kl, rows, vocab);
}
MOP_CLONES void kl_some(const uint16_t* p_bfloat16, const uint16_t* q_bfloat16, float* kl,
                        int64_t rows, int64_t vocab) {
  kl_rows(p_bfloat16, q_bfloat16, kl, rows, vocab);
}

int64_t rows_at_least(int64_t vocab) { return std::max<int64_t>(1, (1 << 15) / vocab); }

template <typename T>
void score_all(const T* logits, const int64_t* targets, Out out, int64_t rows, int64_t vocab) {
  at::parallel_for(0, rows, rows_at_least(vocab), [&](int64_t begin, int64_t end) {
    score_some(logits + begin * vocab, targets + begin, {out.nll + begin, out.greedy + begin},
               end - begin, vocab);
  });
}

template <typename T>
void kl_all(const T* p, const T* q, float* kl, int64_t rows, int64_t vocab) {
  at::parallel_for(0, rows, rows_at_least(vocab), [&](int64_t begin, int64_t end) {
    kl_some(p + begin * vocab, q + begin * vocab, kl + begin, end - begin, vocab);
  });
}

// The kernels read float32 and bfloat16; float16 is converted first.
at::Tensor readable(const at::Tensor& logits) {
  const bool known = logits.scalar_type() == at::kFloat || logits.scalar_type() == at::kBFloat16;
  return known ? logits.contiguous() : logits.to(at::kFloat).contiguous();
}

const uint16_t* bits16(const at::Tensor& t) { return static_cast<const uint16_t*>(t.data_ptr()); }

}  // namespace

RowScores row_scores(const at::Tensor& logits_RV, const at::Tensor& targets_R) {
  const at::Tensor x = readable(logits_RV), target_R = targets_R.contiguous();
  const RowScores scores{at::empty({x.size(0)}, at::kFloat), at::empty({x.size(0)}, at::kBool)};
  const int64_t* target = target_R.const_data_ptr<int64_t>();
  const Out out{scores.nll_R.mutable_data_ptr<float>(), scores.greedy_R.mutable_data_ptr<bool>()};
  if (x.scalar_type() == at::kFloat) {
    score_all(x.const_data_ptr<float>(), target, out, x.size(0), x.size(1));
  } else {
    score_all(bits16(x), target, out, x.size(0), x.size(1));
  }
  return scores;
}

at::Tensor row_nll(const at::Tensor& logits_RV, const at::Tensor& targets_R) {
  return row_scores(logits_RV, targets_R).nll_R;
}

at::Tensor row_kl(const at::Tensor& p_logits_RV, const at::Tensor& q_logits_RV) {
  const at::Tensor p = readable(p_logits_RV), q = readable(q_logits_RV.to(p.scalar_type()));
  at::Tensor kl_R = at::empty({p.size(0)}, at::kFloat);
  float* out = kl_R.mutable_data_ptr<float>();
  if (p.scalar_type() == at::kFloat) {
    kl_all(p.const_data_ptr<float>(), q.const_data_ptr<float>(), out, p.size(0), p.size(1));
  } else {
    kl_all(bits16(p), bits16(q), out, p.size(0), p.size(1));
  }
  return kl_R;
}

}  // namespace mop
