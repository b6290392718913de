// solve/elimination.cc -- blocked greedy elimination.
//
// Shape letters: D outputs, K inputs, R rows of a factor, U units, u columns of a unit, P columns
// of the candidates of a block, C removed columns of a block, S remaining columns.
//
// With A = H^-1 and V = Gamma^(1/2) W, removing the columns b and repairing the others costs 0.5
// tr(V_b A_bb^-1 V_b^T) and leaves V - V_b A_bb^-1 A_b: and A - A_:b A_bb^-1 A_b:. Only V^T V is
// needed, so V can be any factor of W^T Gamma W; the one with the fewest rows is used. (Updating
// V^T V of all columns would lose its small entries by cancellation; `choose` does so only for the
// candidates of one block, 64 units at most.) V is stored transposed, so that a unit is a row.
#include "solve/elimination.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/error.h"
#include "solve/least_squares.h"

namespace mop {
namespace {

// Candidates per unit to remove. Units that are not candidates keep the damage from before the
// block, which may be outdated.
constexpr int64_t kCandidatesPerRemoval = 4;

void check_tensor(const at::Tensor& tensor, const char* name, int64_t rows, int64_t columns) {
  if (tensor.dim() != 2 || tensor.size(0) != rows || tensor.size(1) != columns) {
    throw bad_input("elimination wants a {} of {} x {}, got {} dimensions of {} values", name, rows,
                    columns, tensor.dim(), tensor.numel());
  }
  if (!at::isfinite(tensor).all().item<bool>()) {
    throw bad_input("the {} of an elimination has values that are not finite", name)
        .hint("weights or statistics that overflow: compute them in float32");
  }
}

void check(const Elimination& in) {
  if (!in.gram_KK.defined() || !in.weights_DK.defined() || in.weights_DK.dim() != 2) {
    throw bad_input("elimination needs a Gram matrix and weights of two dimensions");
  }
  const int64_t outputs = in.weights_DK.size(0), inputs = in.weights_DK.size(1);
  check_tensor(in.weights_DK, "weight matrix", outputs, inputs);
  check_tensor(in.gram_KK, "Gram matrix", inputs, inputs);
  if (in.sensitivity_DD.defined()) {
    check_tensor(in.sensitivity_DD, "gradient covariance", outputs, outputs);
  }
  if (in.unit < 1 || inputs % in.unit != 0) {
    throw bad_input("{} inputs cannot be divided into units of {}", inputs, in.unit);
  }
  if (in.block < 1 || in.keep < 0 || !(in.damping >= 0)) {
    throw bad_input("elimination with block {}, keep {}, damping {}: at least 1, 0 and 0 expected",
                    in.block, in.keep, in.damping);
  }
}

// Returns F [R, n] with F^T F = S. S is symmetric and positive semidefinite up to rounding.
at::Tensor half(const at::Tensor& matrix) {
  const at::Tensor symmetric = (matrix + matrix.t()) / 2;
  const auto [lower, info] = at::linalg_cholesky_ex(symmetric);
  if (info.item<int64_t>() == 0) return lower.t();
  const auto [values, vectors] = at::linalg_eigh(symmetric);
  return values.clamp_min(0).sqrt().unsqueeze(1) * vectors.t();
}

// Returns V^T [K, R]: the factor of W^T Gamma W with the fewest rows.
at::Tensor weighted(const Elimination& in) {
  const at::Tensor w_DK = in.weights_DK.to(at::kDouble);
  const bool tall = w_DK.size(0) > w_DK.size(1);
  if (!in.sensitivity_DD.defined()) {
    return (tall ? half(w_DK.t().mm(w_DK)) : w_DK).t().clone(at::MemoryFormat::Contiguous);
  }
  const at::Tensor gamma_DD = in.sensitivity_DD.to(at::kDouble);
  if (tall) return half(w_DK.t().mm(gamma_DD).mm(w_DK)).t().contiguous();
  return w_DK.t().mm(half(gamma_DD).t());
}

at::Tensor damped_inverse(const Elimination& in) {
  at::Tensor h_KK = in.gram_KK.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
  at::Tensor diagonal_K = h_KK.diagonal();
  diagonal_K.add_(diagonal_K.mean() * in.damping);
  auto [lower_KK, info] = at::linalg_cholesky_ex(h_KK);
  if (info.item<int64_t>() != 0) {
    throw bad_input("the Gram matrix of {} inputs cannot be inverted", h_KK.size(0))
        .hint("more calibration text, or a larger damping");
  }
  h_KK.reset();
  return at::cholesky_inverse(lower_KK);
}

// Returns B [U, u, u], the diagonal blocks of M [U*u, U*u].
at::Tensor diagonal_blocks(const at::Tensor& m_PP, int64_t unit) {
  const int64_t units = m_PP.size(0) / unit;
  const int64_t row = m_PP.stride(0), column = m_PP.stride(1);
  return m_PP.as_strided({units, unit, unit}, {unit * (row + column), row, column});
}

// Returns V_b V_b^T of every unit, V stored by rows.
at::Tensor squares_of_units(const at::Tensor& v_SR, int64_t unit) {
  const int64_t units = v_SR.size(0) / unit;
  if (unit == 1) return v_SR.square().sum(1).view({units, 1, 1});
  const at::Tensor v_UuR = v_SR.view({units, unit, -1});
  return at::bmm(v_UuR, v_UuR.transpose(1, 2));
}

// Returns 0.5 tr(A_bb^-1 M_bb) of every unit. Without damping, rounding may make an A_bb
// indefinite; that unit is removed last.
at::Tensor damage_of_units(const at::Tensor& a_Uuu, const at::Tensor& m_Uuu) {
  if (a_Uuu.size(1) == 1) {
    const at::Tensor a_U = a_Uuu.flatten();
    return at::where(a_U > 0, m_Uuu.flatten().clamp_min(0) / a_U / 2, INFINITY);
  }
  const auto [lower_Uuu, info_U] = at::linalg_cholesky_ex(a_Uuu);
  const at::Tensor traces_U = at::cholesky_solve(m_Uuu, lower_Uuu).diagonal(0, 1, 2).sum(1);
  return at::where(info_U == 0, traces_U.clamp_min(0) / 2, INFINITY);
}

std::vector<double> damages(const at::Tensor& a_Uuu, const at::Tensor& m_Uuu) {
  const at::Tensor damages_U = damage_of_units(a_Uuu, m_Uuu);
  const double* first = damages_U.const_data_ptr<double>();
  return {first, first + damages_U.numel()};
}

// Returns A^-1 B for a positive definite A [n, n].
at::Tensor solve(const at::Tensor& a_nn, const at::Tensor& b_nm) {
  const auto [lower_nn, info] = at::linalg_cholesky_ex(a_nn);
  if (info.item<int64_t>() != 0) {
    throw bad_input("elimination lost its precision: a matrix of {} inputs is no longer positive",
                    a_nn.size(0))
        .hint("a larger damping");
  }
  return at::cholesky_solve(b_nm, lower_nn);
}

class Eliminator {
 public:
  explicit Eliminator(const Elimination& in)
      : unit_(in.unit),
        block_(in.block),
        a_KK_(damped_inverse(in)),
        v_KR_(weighted(in)),
        ids_(static_cast<size_t>(a_KK_.size(0) / in.unit)),
        to_remove_(std::ssize(ids_) - in.keep) {
    std::iota(ids_.begin(), ids_.end(), 0);
  }

  DamageCurve run() {
    while (removed() < to_remove_) {
      const std::vector<int64_t> ranked = rank_all();
      remove(choose(ranked, std::min(block_, to_remove_ - removed())));
    }
    return std::move(curve_);
  }

 private:
  int64_t removed() const { return std::ssize(curve_.order); }
  int32_t id(int64_t place) const { return ids_[static_cast<size_t>(place)]; }

  // Sorts the units by damage, then by index, and stores the damages in `damages_`. A unit is
  // identified by its position in a_ and v_, where the remaining units come first.
  std::vector<int64_t> rank_all() {
    const int64_t units = std::ssize(ids_), columns = units * unit_;
    damages_ = damages(diagonal_blocks(a_KK_.narrow(0, 0, columns).narrow(1, 0, columns), unit_),
                       squares_of_units(v_KR_.narrow(0, 0, columns), unit_));
    std::vector<int64_t> places(ids_.size());
    std::iota(places.begin(), places.end(), 0);
    std::sort(places.begin(), places.end(), [&](int64_t x, int64_t y) {
      return std::tuple(damage(x), id(x)) < std::tuple(damage(y), id(y));
    });
    return places;
  }

  double damage(int64_t place) const { return damages_[static_cast<size_t>(place)]; }

  // Selects up to `most` of the lowest-ranked units one by one, with exact updates among the
  // candidates. Stops early when a unit that is not a candidate would come first. Returns the
  // positions of the selected units.
  std::vector<int64_t> choose(const std::vector<int64_t>& ranked, int64_t most) {
    const int64_t pool = std::min<int64_t>(kCandidatesPerRemoval * most, std::ssize(ranked));
    const double others =
        pool < std::ssize(ranked) ? damage(ranked[static_cast<size_t>(pool)]) : INFINITY;
    const std::vector<int64_t> candidates(ranked.begin(), ranked.begin() + pool);
    const at::Tensor columns_P = columns_of(candidates);
    at::Tensor a_PP = a_KK_.index_select(0, columns_P).index_select(1, columns_P);
    const at::Tensor v_PR = v_KR_.index_select(0, columns_P);
    at::Tensor m_PP = v_PR.mm(v_PR.t());
    std::vector<int64_t> gone;
    std::vector<bool> is_gone(candidates.size(), false);
    while (std::ssize(gone) < most) {
      const std::vector<double> now =
          damages(diagonal_blocks(a_PP, unit_), diagonal_blocks(m_PP, unit_));
      const size_t next = lowest_left(now, is_gone, candidates);
      if (std::ssize(gone) >= std::max<int64_t>(most / kCandidatesPerRemoval, 1) &&
          now[next] > others) {
        break;
      }
      is_gone[next] = true;
      gone.push_back(candidates[next]);
      record(candidates[next], now[next]);
      remove_locally(a_PP, m_PP, static_cast<int64_t>(next) * unit_);
    }
    return gone;
  }

  at::Tensor columns_of(const std::vector<int64_t>& places) const {
    const at::Tensor first_U = at::tensor(places, at::kLong).mul_(unit_).unsqueeze(1);
    return (first_U + at::arange(unit_, at::kLong)).flatten();
  }

  size_t lowest_left(const std::vector<double>& damages, const std::vector<bool>& is_gone,
                     const std::vector<int64_t>& candidates) const {
    size_t best = damages.size();
    for (size_t i = 0; i < damages.size(); ++i) {
      if (is_gone[i]) continue;
      if (best == damages.size() || std::tuple(damages[i], id(candidates[i])) <
                                        std::tuple(damages[best], id(candidates[best]))) {
        best = i;
      }
    }
    return best;
  }

  void record(int64_t place, double damage) {
    const double before = curve_.damage.empty() ? 0 : curve_.damage.back();
    curve_.order.push_back(id(place));
    curve_.damage.push_back(before + damage);
  }

  // M = V^T V of the candidates. Removes the unit whose columns start at `first`.
  void remove_locally(at::Tensor& a_PP, at::Tensor& m_PP, int64_t first) const {
    const at::Tensor a_uP = a_PP.narrow(0, first, unit_).clone();
    const at::Tensor z_uP = solve(a_uP.narrow(1, first, unit_), a_uP);
    const at::Tensor m_uP = m_PP.narrow(0, first, unit_);
    const at::Tensor y_uP = m_uP - m_uP.narrow(1, first, unit_).mm(z_uP) / 2;
    m_PP.addmm_(y_uP.t(), z_uP, 1, -1).addmm_(z_uP.t(), y_uP, 1, -1);
    a_PP.addmm_(a_uP.t(), z_uP, 1, -1);
  }

  // Moves the selected units to the end, then removes them from all others at once.
  void remove(std::vector<int64_t> gone) {
    std::sort(gone.rbegin(), gone.rend());
    int64_t end = std::ssize(ids_);
    for (const int64_t place : gone) exchange(place, --end);
    ids_.resize(static_cast<size_t>(end));
    const int64_t stay = end * unit_, go = std::ssize(gone) * unit_;
    const at::Tensor a_CS = a_KK_.narrow(0, stay, go).narrow(1, 0, stay);
    const at::Tensor z_CS = solve(a_KK_.narrow(0, stay, go).narrow(1, stay, go), a_CS);
    v_KR_.narrow(0, 0, stay).addmm_(z_CS.t(), v_KR_.narrow(0, stay, go), 1, -1);
    a_KK_.narrow(0, 0, stay).narrow(1, 0, stay).addmm_(a_CS.t(), z_CS, 1, -1);
  }

  void exchange(int64_t place, int64_t other) {
    if (place == other) return;
    std::swap(ids_[static_cast<size_t>(place)], ids_[static_cast<size_t>(other)]);
    exchange_slices(v_KR_, 0, place * unit_, other * unit_);
    for (const int64_t axis : {0, 1}) exchange_slices(a_KK_, axis, place * unit_, other * unit_);
  }

  void exchange_slices(at::Tensor& matrix, int64_t axis, int64_t first, int64_t second) const {
    at::Tensor one = matrix.narrow(axis, first, unit_), two = matrix.narrow(axis, second, unit_);
    const at::Tensor kept = one.clone();
    one.copy_(two);
    two.copy_(kept);
  }

  int64_t unit_, block_;
  at::Tensor a_KK_, v_KR_;       // the first ids_.size() * unit_ columns are valid
  std::vector<int32_t> ids_;     // of the remaining units, by position
  std::vector<double> damages_;  // by position, before the current block
  int64_t to_remove_;
  DamageCurve curve_;
};

// Returns whether every input was always 0, so that no removal has a cost.
bool is_silent(const Elimination& input) {
  return input.gram_KK.diagonal().count_nonzero().item<int64_t>() == 0;
}

DamageCurve free_curve(int64_t units) {
  DamageCurve curve;
  curve.order.resize(static_cast<size_t>(std::max<int64_t>(units, 0)));
  std::iota(curve.order.begin(), curve.order.end(), 0);
  curve.damage.assign(curve.order.size(), 0);
  return curve;
}

}  // namespace

double damage_taken_over(const TakenOver& in) {
  const int64_t outputs = in.cross_DK.size(0), inputs = in.cross_DK.size(1);
  check_tensor(in.added_DD, "second moment", outputs, outputs);
  check_tensor(in.cross_DK, "cross moment", outputs, inputs);
  check_tensor(in.gram_KK, "Gram matrix", inputs, inputs);
  check_tensor(in.sensitivity_DD, "gradient covariance", outputs, outputs);
  const at::Tensor cross_DK = in.cross_DK.to(at::kDouble);
  at::Tensor left_DD = in.added_DD.to(at::kDouble);
  if (in.gram_KK.diagonal().count_nonzero().item<int64_t>() > 0) {
    const at::Tensor change_DK = ridge_addition(in.gram_KK, cross_DK, in.damping);
    left_DD = left_DD - cross_DK.mm(change_DK.t());
  }
  const double damage = (in.sensitivity_DD.to(at::kDouble) * left_DD).sum().item<double>() / 2;
  return std::max(damage, 0.0);  // rounding
}

at::Tensor removal_costs(const Elimination& input) {
  check(input);
  if (is_silent(input)) return at::zeros({input.gram_KK.size(0) / input.unit}, at::kDouble);
  return damage_of_units(diagonal_blocks(damped_inverse(input), input.unit),
                         squares_of_units(weighted(input), input.unit));
}

DamageCurve eliminate(const Elimination& input) {
  check(input);
  if (is_silent(input)) {
    return free_curve(input.gram_KK.size(0) / input.unit - input.keep);
  }
  return Eliminator(input).run();
}

}  // namespace mop
