"""A trainer of three tiny iterations, and what it is made of."""

from __future__ import annotations

import lenity
import tiny
from lenity.toy.prompts import ToyPrompts

TRAIN, TEST = ToyPrompts(split="train", count=40).read()[0], ToyPrompts(split="test", count=12).read()[0]
ARGS = {
    "iterations": 3, "policy.dtype": "float32", "policy.lora": {"r": 4, "alpha": 8, "dropout": 0.0},
    "rollout": {"batch_size": 8, "max_new_tokens": 6}, "critic.hidden_size": 8,
    "ppo": {"epochs": 1, "mini_batch_size": 4, "accumulation": 1}, "optimizer": {"learning_rate": 1e-2, "warmup_steps": 1},
    "standardisation.prompts": 16, "evaluation.limit": 12, "checkpoint.every": 10, "logging.progress": False,
}  # fmt: skip


def polite(prompts, completions, **columns):
    """Rewards long responses."""
    assert len(prompts) == len(completions)
    return [float(len(text.split())) for text in completions]


def trainer(model, output, **changes):
    """With a function of this process and one that workers can import."""
    arguments = {
        "model": model, "reward_funcs": {"polite": polite, "harmless": f"{tiny.__file__}:harmless"},
        "weights": {"polite": 0.5, "harmless": 0.5}, "train_dataset": TRAIN, "eval_dataset": TEST, "output": output,
    }  # fmt: skip
    arguments |= changes
    return lenity.Trainer(**arguments | {"args": ARGS | changes.get("args", {})})
