// pipeline/run_measure.cc
#include "pipeline/run_measure.h"

#include "base/error.h"
#include "criteria/criterion.h"
#include "tensor/mapped_file.h"

namespace mop {

RunMeasure::RunMeasure(const MeasureSetup& setup, const Model& model)
    : setup_(setup), weights_(model, setup.compute) {
  const std::vector<Stat> needed = needed_stats(setup.criteria);
  if (!needed.empty() && setup.samples.ids.empty()) {
    throw usage_error("this run measures activations and needs calibration text")
        .hint("give --calibration FILE, or a path of branches that measure nothing");
  }
  stats_ = collect_stats(weights_, setup.samples, needed, setup.progress);
  check_mappings();
}

const std::vector<at::Tensor>& RunMeasure::scores(const std::string& criterion) {
  const auto known = scores_.find(criterion);
  if (known != scores_.end()) return known->second;
  const auto settings = setup_.settings.find(criterion);
  const Options options = settings == setup_.settings.end() ? Options() : settings->second;
  auto scores = score_layers(weights_, stats_, std::vector<std::string>{criterion}, options);
  return scores_[criterion] = std::move(scores[0]);
}

}  // namespace mop
