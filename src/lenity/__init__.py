"""Align language models to several preferences at once with Pareto-Lenient Consensus.

::

    trainer = lenity.Trainer(model=..., reward_funcs={...}, weights={...}, train_dataset=...)
    run = trainer.train()                                  # a lenity.Run
    front = lenity.sweep(trainer, points=11, methods=["plc", "linear"])   # a lenity.Front

docs/library.md shows each name in use. They are imported when they are first asked for: ``import lenity`` itself loads no torch.
"""

from __future__ import annotations

import importlib
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lenity import advantages, integrations, pareto, rules
    from lenity.errors import LenityError
    from lenity.library.front import Front, Pick, load_front
    from lenity.library.run import Run, load_run
    from lenity.library.sweeps import sweep
    from lenity.library.trainer import Trainer
    from lenity.rules import GAPO, MGDA, PGAPO, PLC, Entropic, Linear, Tchebycheff
    from lenity.runs.config import RunConfig
    from lenity.training.callbacks import STOP

__version__ = "0.1.0"

__all__ = [
    "GAPO", "MGDA", "PGAPO", "PLC", "STOP", "Entropic", "Front", "LenityError", "Linear", "Pick", "Run", "RunConfig", "Tchebycheff",
    "Trainer", "advantages", "integrations", "load_front", "load_run", "pareto", "rules", "sweep",
]  # fmt: skip

_ROOMS = {"advantages", "integrations", "pareto", "rules"}
_HOMES = {
    "Trainer": "library.trainer", "Run": "library.run", "load_run": "library.run", "Front": "library.front", "Pick": "library.front",
    "load_front": "library.front", "STOP": "training.callbacks", "RunConfig": "runs.config", "LenityError": "errors",
} | dict.fromkeys(("GAPO", "MGDA", "PGAPO", "PLC", "Entropic", "Linear", "Tchebycheff"), "rules")  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)


class _Called(types.ModuleType):
    """A folder that is called as the function of its name: ``lenity.sweep(trainer)`` beside ``from lenity.sweep import plan``."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """The front of a trainer's run at several weights, see :func:`lenity.library.sweeps.sweep`."""
        from lenity.library.sweeps import sweep as function

        return function(*arguments, **options)


importlib.import_module(f"{__name__}.sweep").__class__ = _Called
