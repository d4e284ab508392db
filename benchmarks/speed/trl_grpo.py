"""TRL's GRPOTrainer on the workload: 8 prompts with 4 responses each, 16 optimizer steps a batch; it has no critic."""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
from itertools import pairwise
from typing import Any

import torch
import trl
import workload as w
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

FOLDER, STEPS, _ = w.arguments()

tokenizer = AutoTokenizer.from_pretrained(FOLDER / "policy", padding_side="left")
rewards = [AutoModelForSequenceClassification.from_pretrained(FOLDER / f"reward{k}").eval() for k in range(2)]
settings = GRPOConfig(
    output_dir=tempfile.mkdtemp(), per_device_train_batch_size=w.MINI, gradient_accumulation_steps=1,
    steps_per_generation=w.BATCH // w.MINI, num_iterations=w.EPOCHS, num_generations=4, max_completion_length=w.RESPONSE, beta=0.05,
    report_to=[], save_strategy="no", bf16=False, use_cpu=True, gradient_checkpointing=False, learning_rate=1e-6, temperature=1.0,
    disable_tqdm=True, logging_steps=1000, seed=0, max_steps=w.EPOCHS * (w.BATCH // w.MINI) * (STEPS + 1), loss_type="dapo",
    reward_weights=[0.5, 0.5],
)  # fmt: skip
trainer = GRPOTrainer(
    model=AutoModelForCausalLM.from_pretrained(FOLDER / "policy"), reward_funcs=rewards, args=settings, processing_class=tokenizer,
    train_dataset=Dataset.from_list([{"prompt": text} for text in w.prompts(FOLDER)]),
    peft_config=LoraConfig(**w.LORA, task_type="CAUSAL_LM"),
)  # fmt: skip
timers = w.Timers()
timers.wrap(trainer, "_generate_single_turn", "generate")
timers.wrap(trainer, "_calculate_rewards", "rewards")
plain = trainer._get_per_token_logps_and_entropies


def log_probs(*arguments: Any, **options: Any) -> Any:
    """Where there is no gradient, they are of the old and the reference policy, else a part of the update."""
    start = time.perf_counter()
    found = plain(*arguments, **options)
    if not torch.is_grad_enabled():
        timers["old and reference"] = timers.get("old and reference", 0.0) + time.perf_counter() - start
    return found


trainer._get_per_token_logps_and_entropies = log_probs
marks: list[tuple[float, dict[str, float]]] = []
generate = trainer._generate_and_score_completions


def marked(inputs: Any) -> Any:
    """A new batch begins."""
    marks.append((time.perf_counter(), dict(timers)))
    return generate(inputs)


trainer._generate_and_score_completions = marked
with contextlib.redirect_stdout(io.StringIO()):
    trainer.train()
marks = [*marks[1:], (time.perf_counter(), dict(timers))]
seconds = [after[0] - before[0] for before, after in pairwise(marks)]
parts = w.Timers(marks[-1][1]).since(marks[0][1], len(seconds))
parts["update"] = statistics.mean(seconds) - sum(parts.values())
w.emit(version=trl.__version__, seconds=seconds, median=statistics.median(seconds), parts=parts)
