"""The packages that only tests need: pytest and Hypothesis, of the extra ``lenity[testing]``."""

from __future__ import annotations

import importlib
from typing import Any

from lenity.errors import ConfigError


def package(name: str) -> Any:
    """The module ``name``; raises ``ConfigError`` if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"lenity.testing needs the package {name}, which cannot be imported: {error}.",
            "Install it: pip install 'lenity[testing]'.",
        ) from error


def hypothesis() -> Any:
    """The package Hypothesis, with its strategies."""
    package("hypothesis.strategies")
    return package("hypothesis")
