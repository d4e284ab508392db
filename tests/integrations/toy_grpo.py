"""A tiny GRPO training, for the tests here and for the two processes that one of them starts."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from lenity.integrations import PLCGRPOTrainer
from lenity.rules import PLC
from lenity.toy.prompts import ToyPrompts

GATE = {"gate": "sigmoid", "temperature": 0.2, "leniency": 0.8}


def length(completions, **_):
    """Characters."""
    return [float(len(text)) for text in completions]


def early(completions, **_):
    """Against ``length``, with chance in it; none for a completion whose last word starts with a late letter."""
    return [
        None if not text or text.split()[-1][0] > "r" else sum(map(ord, text)) % 7 - len(text) for text in completions
    ]


def share(completions, **_):
    """As ``early``, for every completion."""
    return [sum(map(ord, text)) % 13 / 13 for text in completions]


class Vanilla(GRPOTrainer):
    """Keeps what TRL itself would have trained on."""

    def _generate_and_score_completions(self, inputs):
        batch = super()._generate_and_score_completions(inputs)
        self.vanilla = batch["advantages"].clone()
        return batch


class Watched(PLCGRPOTrainer, Vanilla):
    """Keeps both: Lenity's trainer stands before ``Vanilla`` in the order of resolution."""

    def _generate_and_score_completions(self, inputs):
        batch = super()._generate_and_score_completions(inputs)
        self.ours = batch["advantages"].clone()
        return batch


def trainer(model, output, rewards, callbacks=None, eval_dataset=None, rule="plc", weights=None, **settings):
    """One step on 8 completions of 2 prompts, unless ``settings`` say otherwise."""
    chosen = {
        "per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 6, "max_steps": 1, "bf16": False,
        "use_cpu": True, "report_to": "none", "save_strategy": "no", "disable_tqdm": True, "logging_steps": 1,
        "learning_rate": 1e-3,
    } | settings  # fmt: skip
    prompts = Dataset.from_dict({"prompt": ToyPrompts(count=24).read()[0]})
    return Watched(
        model=str(model), reward_funcs=rewards, args=GRPOConfig(output_dir=str(output), **chosen), train_dataset=prompts,
        eval_dataset=prompts.select(range(8)) if eval_dataset else None, callbacks=callbacks, rule=rule, weights=weights,
    )  # fmt: skip


def main(model: str, output: str) -> None:
    """One of several processes: four of the eight completions to one prompt."""
    made = trainer(
        model, output, [length, early], rule=PLC(**GATE, schedule="constant"), weights={"length": 0.6, "early": 0.4},
        per_device_train_batch_size=4, num_generations=8,
    )  # fmt: skip
    made.train()
    logged = {name: list(column) for name, column in made._logs["rewards"].items()}
    kept = {"ours": made.ours.tolist(), "advantages": list(made._logs["advantages"]), "rewards": logged}
    Path(output, f"rank{made.accelerator.process_index}.json").write_text(json.dumps(kept))
    made.accelerator.wait_for_everyone()
    sys.stdout.flush()
    os._exit(0)  # gloo's threads abort an ordinary exit now and then


if __name__ == "__main__":
    main(*sys.argv[1:])
