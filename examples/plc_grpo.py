"""GRPO on three conflicting rewards with Pareto-Lenient Consensus: TRL's trainer with a Lenity rule, on the toy world.

    python examples/plc_grpo.py                 # a minute on two cores; one more the first time, to build the toy world
    python examples/plc_grpo.py --rule linear   # the weighted sum

For your own project, change only the model, the dataset and the reward functions.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import set_seed
from trl import GRPOConfig

from lenity.data.tokens import prompt_ids
from lenity.integrations import PLCGRPOTrainer
from lenity.pareto.confidence import difference, mean
from lenity.toy.language import MAX_WORDS
from lenity.toy.prompts import ToyPrompts
from lenity.toy.scores import scores
from lenity.toy.world import build_world


def helpful(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
    """A reward function as in TRL: one score per completion, None for a completion without a score."""
    return [scores(*pair).helpful for pair in zip(prompts, completions, strict=True)]


def harmless(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
    """The exact harmlessness of each completion."""
    return [scores(*pair).harmless for pair in zip(prompts, completions, strict=True)]


def humorous(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
    """The exact humour of each completion."""
    return [scores(*pair).humorous for pair in zip(prompts, completions, strict=True)]


REWARDS = [helpful, harmless, humorous]
WEIGHTS = {"helpful": 0.4, "harmless": 0.3, "humorous": 0.3}


def main() -> None:
    """Train, and print the scores of one sampled response per held-out prompt before and after training."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", help="a folder or hub name; by default the toy world's policy")
    parser.add_argument("--rule", default="plc", help="any rule over advantages: lenity methods")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--output", default="runs/toy/grpo")
    options = parser.parse_args()

    held_out = ToyPrompts(split="test", count=255).read()[0]
    trainer = PLCGRPOTrainer(
        model=options.model or str(build_world().policy),
        reward_funcs=REWARDS,
        args=GRPOConfig(
            output_dir=options.output,
            seed=options.seed,
            max_steps=options.steps,
            per_device_train_batch_size=128,
            num_generations=8,
            max_completion_length=MAX_WORDS + 1,
            learning_rate=2e-3,
            beta=0.02,
            bf16=torch.cuda.is_available(),
            gradient_checkpointing=False,
            logging_steps=10,
            save_strategy="no",
            report_to="none",
        ),
        train_dataset=Dataset.from_dict({"prompt": ToyPrompts(count=1500).read()[0]}),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"),
        rule=options.rule,
        weights=WEIGHTS,
    )
    before = answer(trainer, held_out)
    trainer.train()
    trainer.save_model()  # a standard PEFT adapter
    after = answer(trainer, held_out)
    for reward in REWARDS:
        old, new = reward(held_out, before), reward(held_out, after)
        print(f"{reward.__name__:<9} {mean(old)} -> {mean(new)}, by {difference(new, old)}")


def answer(trainer: PLCGRPOTrainer, prompts: list[str]) -> list[str]:
    """One sampled completion per prompt."""
    set_seed(0)
    model, tokenizer = trainer.accelerator.unwrap_model(trainer.model), trainer.processing_class
    rows = tokenizer.pad({"input_ids": prompt_ids(tokenizer, prompts)}, padding_side="left", return_tensors="pt").to(
        model.device
    )
    model.eval()
    with torch.no_grad():
        tokens = model.generate(
            input_ids=rows["input_ids"], attention_mask=rows["attention_mask"], do_sample=True, top_k=0, max_new_tokens=MAX_WORDS + 1
        )  # fmt: skip
    answers: list[str] = tokenizer.batch_decode(tokens[:, rows["input_ids"].shape[1] :], skip_special_tokens=True)
    return answers


if __name__ == "__main__":
    main()
