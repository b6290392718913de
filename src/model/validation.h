// model/validation.h -- metrics of a model on held-out text, which selectors compare.
#pragma once

namespace mop {

/// `kl` and `cosine` compare with the dense model. All three are means over the same tokens.
struct Validation {
  double nll = 0;     ///< mean negative log-likelihood, nats per token
  double kl = 0;      ///< mean KL(dense || model) of the next-token distributions, nats per token
  double cosine = 0;  ///< mean cosine of the last hidden states to the dense model's
};

}  // namespace mop
