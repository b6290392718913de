"""pip's way into the build: scikit-build-core, and the question which torch to build against.

The extension must be built with the torch it will run with. pip builds in an environment of its own, so: the torch of
the environment that pip installs into, when there is one (or MOP_LIBTORCH, when that is set); else the newest, which
pip then installs as well, because the package depends on it."""

import os
import pathlib
import sysconfig

from scikit_build_core import build as _backend
from scikit_build_core.build import *  # noqa: F403

_HEADER = "include/ATen/core/Tensor.h"


def _installed_torch():
    for key in ("purelib", "platlib"):
        folder = pathlib.Path(sysconfig.get_paths()[key]) / "torch"
        if (folder / _HEADER).exists():
            return str(folder)
    return ""


def _requirements(wanted):
    if os.environ.get("MOP_LIBTORCH") or _installed_torch():
        return wanted
    return [*wanted, "torch>=2.7"]


def get_requires_for_build_wheel(config_settings=None):
    return _requirements(_backend.get_requires_for_build_wheel(config_settings))


def get_requires_for_build_editable(config_settings=None):
    return _requirements(_backend.get_requires_for_build_editable(config_settings))


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    if not os.environ.get("MOP_LIBTORCH") and _installed_torch():
        os.environ["MOP_LIBTORCH"] = _installed_torch()
    return _backend.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    if not os.environ.get("MOP_LIBTORCH") and _installed_torch():
        os.environ["MOP_LIBTORCH"] = _installed_torch()
    return _backend.build_editable(wheel_directory, config_settings, metadata_directory)
