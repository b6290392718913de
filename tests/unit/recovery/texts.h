// tests/unit/recovery/texts.h
#pragma once
#include "kit/random_model.h"
#include "text/tokenizer.h"
#include "text/training_data.h"

namespace mop {

/// `count` of the demo's texts from number `first` on, 16 tokens of each.
inline TrainingData texts(int64_t first, int64_t count) {
  TrainingDataOptions form;
  form.max_tokens = 16;
  return TrainingData::open(testing::demo_calibration(), open_tokenizer(testing::demo_model()),
                            form)
      .slice(first, count);
}

}  // namespace mop
