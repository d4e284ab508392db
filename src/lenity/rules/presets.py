"""Published settings of runs; ``preset: paper`` uses them for fields that the user does not set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Fields = Mapping[str, Any]
Presets = Mapping[str, Fields]

# PLC, arXiv 2604.05965, section 5 and table 3. The learning rate is not legible there: 1e-5 is from the scripts with which the other
# settings agree.
PLC_PAPER: Fields = {
    "policy": {"lora": {"r": 64, "alpha": 128, "dropout": 0.05}},
    "rollout": {"batch_size": 128, "max_new_tokens": 128, "temperature": 1.0, "top_p": 1.0},
    "ppo": {
        "epochs": 4, "mini_batch_size": 16, "accumulation": 2, "gamma": 0.99, "lam": 0.95, "clip": 0.2, "value_clip": 0.2,
        "normalise": "per_objective", "whiten": True,
    },
    "kl": {"kind": "adaptive", "coefficient": 0.05, "target": 3.0, "horizon": 10_000},
    "optimizer": {"learning_rate": 1e-5, "weight_decay": 0.0, "max_grad_norm": 0.5, "warmup_steps": 20},
    "evaluation": {"temperature": 1.0, "top_p": 0.9},
}  # fmt: skip

# GAPO, arXiv 2507.01915, as given in table 5 of the PLC paper. "Batch 16" is taken to be the mini-batch.
GAPO_PAPER: Fields = {
    "prompts": {"max_tokens": 512},
    "rollout": {"temperature": 1.0, "top_p": 1.0},
    "ppo": {"epochs": 2, "mini_batch_size": 16, "accumulation": 1, "clip": 0.1},
    "kl": {"kind": "fixed", "coefficient": 0.05},
    "optimizer": {"weight_decay": 0.0, "max_grad_norm": 0.5, "warmup_steps": 0.03},
    "evaluation": {"temperature": 1.0, "top_p": 0.9},
    "method": {"parameters": "last_layer"},
}


def filled(preset: Fields, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``given``; those that it lacks, at any depth, are filled in from ``preset``.

    >>> filled({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 5}})
    {'a': 1, 'b': {'c': 5, 'd': 3}}
    """
    merged = dict(preset) | dict(given)
    for key, value in preset.items():
        if isinstance(value, Mapping) and isinstance(given.get(key, {}), Mapping):
            merged[key] = filled(value, given.get(key, {}))
    return merged
