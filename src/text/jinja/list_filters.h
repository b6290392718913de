// text/jinja/list_filters.h -- filters that process the elements of a value.
#pragma once
#include "text/jinja/tables.h"

namespace mop::jinja {

Table list_filters();

}  // namespace mop::jinja
