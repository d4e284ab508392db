"""Lenity in two minutes: one policy aligned to two preferences, one of which is a Python function, and then their front.

    python examples/quickstart.py      # on two cores; one minute more the first time, to build the toy world

For your own project, change only the model, the data and the rewards.
"""

from __future__ import annotations

import lenity
from lenity.toy.prompts import ToyPrompts
from lenity.toy.world import build_world


def brief(prompts: list[str], completions: list[str]) -> list[float]:
    """The score of each completion; higher is better."""
    return [-float(len(text.split())) for text in completions]


trainer = lenity.Trainer(
    model=str(build_world().policy),
    reward_funcs={"helpful": {"type": "toy", "preference": "helpful"}, "brief": brief},
    weights={"helpful": 0.7, "brief": 0.3},
    train_dataset=ToyPrompts(split="train", count=600).read()[0],
    eval_dataset=ToyPrompts(split="test", count=120).read()[0],
    method=lenity.PLC(),
    args={"iterations": 8, "rollout": {"batch_size": 64, "max_new_tokens": 12}, "ppo": {"epochs": 2, "mini_batch_size": 32, "accumulation": 1},
          "optimizer": {"learning_rate": 2e-3, "warmup_steps": 2}, "kl.coefficient": 0.02, "standardisation.prompts": 128},
    output="runs/quickstart/plc",
)  # fmt: skip
run = trainer.train(resume=True)
print(run.metrics[["iteration", "reward/helpful", "reward/brief", "kl"]].tail())
print(run.evaluate()[["objective", "before", "after", "difference", "difference_low", "difference_high"]])

front = lenity.sweep(trainer, points=3, methods=["plc", "linear"], output="runs/quickstart/sweep")
print(front.table())
print(front.hypervolume())
print(front.pick("brief >= -8", maximise="helpful"))
print(front.report())
