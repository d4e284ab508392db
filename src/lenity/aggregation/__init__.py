"""The former name of :mod:`lenity.rules`, for one version: the same modules, with a warning."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings

from lenity import rules
from lenity.rules import *  # noqa: F403 - all that the package had

warnings.warn(
    "lenity.aggregation is lenity.rules now; the former name goes with the next version.", FutureWarning, stacklevel=2
)
sys.modules[f"{__name__}.scalar"] = importlib.import_module("lenity.methods.scalar")  # which are methods now
for _module in pkgutil.iter_modules(rules.__path__):
    sys.modules[f"{__name__}.{_module.name}"] = importlib.import_module(f"{rules.__name__}.{_module.name}")
