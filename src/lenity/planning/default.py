"""The run that is planned if only a model is given: the paper's setting on hh-rlhf (arXiv 2604.05965, section 5)."""

from __future__ import annotations

from typing import Any

from lenity.config.load import override, parse
from lenity.runs.config import RunConfig

PAPER: dict[str, Any] = {
    "output": "runs/plan",
    "prompts": {"type": "hh-rlhf", "max_tokens": 512},
    "weights": {"harmless": 0.3334, "helpful": 0.3333, "humor": 0.3333},
    "rewards": {"harmless": "gpt2-large-harmless", "helpful": "gpt2-large-helpful", "humor": "humor-no-humor"},
    "method": {"type": "plc"},
}


def default(model: str, overrides: list[str] | None = None) -> RunConfig:
    """The paper's setting for ``model``, with overrides such as ``["--ppo.epochs", "2"]``."""
    data = override(PAPER | {"policy": {"model": model}}, overrides or [])
    return parse(RunConfig, data, source="the paper's setting")
