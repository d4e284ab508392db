"""Lenity's rules in the trainers of other libraries; each trainer is imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lenity.integrations.trl_grpo import PLCGRPOTrainer

__all__ = ["PLCGRPOTrainer"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lenity.integrations import trl_grpo

    return getattr(trl_grpo, name)
