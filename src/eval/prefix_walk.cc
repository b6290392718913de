#include "eval/prefix_walk.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "model/forward.h"

namespace mop {
namespace {

using Members = std::vector<size_t>;

// Groups `members` by `same`, compared with the first member of each group.
template <typename Same>
std::vector<Members> split(const Members& members, Same same) {
  std::vector<Members> classes;
  for (const size_t m : members) {
    const auto home = std::find_if(classes.begin(), classes.end(),
                                   [&](const Members& c) { return same(c.front(), m); });
    if (home != classes.end()) {
      home->push_back(m);
    } else {
      classes.push_back({m});
    }
  }
  return classes;
}

class Walk {
 public:
  Walk(std::span<const Model* const> models, const PackedGroup& group, const Compute& compute,
       const std::function<void()>& after_layer)
      : models_(models), group_(group), compute_(compute), last_ND_(models.size()) {
    options_.after_layer = [&after_layer](int64_t) { after_layer(); };
  }

  std::vector<at::Tensor> run() {
    Members all(models_.size());
    for (size_t m = 0; m < all.size(); ++m) all[m] = m;
    const auto same_embedding = [&](size_t a, size_t b) {
      return embedding(a).is_same(embedding(b)) &&
             models_[a]->channels() == models_[b]->channels() &&
             models_[a]->input_rows().is_same(models_[b]->input_rows());
    };
    for (const Members& members : split(all, same_embedding)) {
      WeightLoader loader(*models_[members.front()], compute_, WeightLoader::Keep::kOne);
      descend(members, 0, embed(loader.embedding(), group_.ids_N, compute_));
    }
    return std::move(last_ND_);
  }

 private:
  at::Tensor embedding(size_t m) const {
    const auto& changed = models_[m]->changed_globals();
    const auto found = changed.find(GlobalRole::kEmbedding);
    return found == changed.end() ? at::Tensor() : found->second;
  }
  bool ends(size_t m, int64_t layer) const { return models_[m]->num_layers() == layer; }
  bool same_layer(size_t a, size_t b, int64_t layer) const {
    return models_[a]->layers()[layer].same_as(models_[b]->layers()[layer]);
  }

  // Returns the first layer at which `members`, which agree below `layer`, differ.
  int64_t fork_of(const Members& members, int64_t layer) const {
    const auto goes_on = [&](size_t m) {
      return !ends(m, layer) && same_layer(members.front(), m, layer);
    };
    while (!ends(members.front(), layer) && std::all_of(members.begin(), members.end(), goes_on))
      ++layer;
    return layer;
  }

  // `hidden_ND` is the input of `layer` for all members and may be overwritten.
  void descend(const Members& members, int64_t layer, at::Tensor hidden_ND) {
    Members going_on;
    for (const size_t m : members) {
      if (ends(m, layer)) {
        last_ND_[m] = hidden_ND;
      } else {
        going_on.push_back(m);
      }
    }
    const auto classes =
        split(going_on, [&](size_t a, size_t b) { return same_layer(a, b, layer); });
    const bool kept = going_on.size() < members.size();
    for (size_t c = 0; c < classes.size(); ++c) {
      const bool last_use = !kept && c + 1 == classes.size();
      at::Tensor input_ND = last_use ? std::move(hidden_ND) : hidden_ND.clone();
      const int64_t fork = fork_of(classes[c], layer);
      WeightLoader loader(*models_[classes[c].front()], compute_, WeightLoader::Keep::kOne);
      at::Tensor output_ND =
          run_layer_range(loader, std::move(input_ND), group_.packing, layer, fork, options_);
      descend(classes[c], fork, std::move(output_ND));
    }
  }

  std::span<const Model* const> models_;
  const PackedGroup& group_;
  const Compute& compute_;
  ForwardOptions options_;
  std::vector<at::Tensor> last_ND_;
};

}  // namespace

std::vector<at::Tensor> walk_models(std::span<const Model* const> models, const PackedGroup& group,
                                    const Compute& compute,
                                    const std::function<void()>& after_layer) {
  const c10::NoGradGuard no_grad;
  return Walk(models, group, compute, after_layer).run();
}

}  // namespace mop
