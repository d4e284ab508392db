"""Checks that optional packages can be imported, before a run starts that needs them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.util import find_spec

from lenity.errors import ConfigError

INSTEAD = {
    "tensorboard": ("tensorboard", "tensorboardX")
}  # modules that serve a tracker; default: the module of its name


def require_trackers(trackers: Sequence[str]) -> None:
    """Nothing, if every tracker of ``logging.trackers`` can be imported; accelerate would skip a missing one without a warning.

    Raises:
        ConfigError: a tracker cannot be imported; the message names the reason and the extra to install.
    """
    for tracker in trackers:
        modules = INSTEAD.get(tracker, (tracker,))
        there = [module for module in modules if find_spec(module) is not None]
        why = "is not installed" if not there else _why(there[0])
        if why:
            raise ConfigError(
                f"logging.trackers names {tracker}, which {why}.",
                f"Install it: pip install 'lenity[{tracker}]', or leave it out of logging.trackers.",
            )


def _why(module: str) -> str:
    try:
        importlib.import_module(module)
    except Exception as error:  # a package that is broken fails in its own way
        return f"cannot be imported ({type(error).__name__}: {error})"
    return ""
