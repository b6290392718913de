// model/validation.h -- how a model does on held-out text: what selectors compare, whoever measures
// it.
#pragma once

namespace mop {

/// Against the dense model where `kl` and `cosine` are concerned. All three are means over the same
/// tokens.
struct Validation {
  double nll = 0;     ///< mean negative log-likelihood, nats per token
  double kl = 0;      ///< mean KL(dense || model) of the next-token distributions, nats per token
  double cosine = 0;  ///< mean cosine of the last hidden states to the dense model's
};

}  // namespace mop
