"""TRL's PPOTrainer on the workload, as its users run it: one policy, a scalar reward model, a value model of its own."""

from __future__ import annotations

import statistics
import tempfile
import time
from itertools import pairwise
from typing import Any

import torch
import trl
import trl.experimental.ppo.ppo_trainer as module
import workload as w
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl.experimental.ppo import PPOConfig, PPOTrainer

FOLDER, STEPS, _ = w.arguments()

tokenizer = AutoTokenizer.from_pretrained(FOLDER / "policy", padding_side="left")
data = Dataset.from_list([{"input_ids": tokenizer(text)["input_ids"]} for text in w.prompts(FOLDER)])
rewards = [AutoModelForSequenceClassification.from_pretrained(FOLDER / f"reward{k}").eval() for k in range(2)]
value = AutoModelForSequenceClassification.from_pretrained(FOLDER / "reward2")
timers = w.Timers()
plain_reward, plain_forward = module.get_reward, module.forward


def get_reward(model: Any, *arguments: Any) -> Any:
    """Both reward models, averaged, in the place of the one that TRL takes."""
    start = time.perf_counter()
    name = "values"
    found = plain_reward(model, *arguments)
    if model is rewards[0]:
        name = "rewards"
        found = (found[0], 0.5 * found[1] + 0.5 * plain_reward(rewards[1], *arguments)[1], found[2])
    timers[name] = timers.get(name, 0.0) + time.perf_counter() - start
    return found


def forward(*arguments: Any, **options: Any) -> Any:
    """Where there is no gradient, it is the reference's, else a part of the update."""
    start = time.perf_counter()
    found = plain_forward(*arguments, **options)
    if not torch.is_grad_enabled():
        timers["reference"] = timers.get("reference", 0.0) + time.perf_counter() - start
    return found


module.get_reward, module.forward = get_reward, forward
timers.wrap(module, "batch_generation", "generate")
settings = PPOConfig(
    output_dir=tempfile.mkdtemp(), per_device_train_batch_size=w.MINI, gradient_accumulation_steps=w.BATCH // w.MINI,
    num_mini_batches=w.BATCH // w.MINI, num_ppo_epochs=w.EPOCHS, total_episodes=w.BATCH * (STEPS + 1), response_length=w.RESPONSE,
    local_rollout_forward_batch_size=w.BATCH, num_sample_generations=0, report_to=[], save_strategy="no", bf16=False, use_cpu=True,
    gradient_checkpointing=False, learning_rate=1e-6, temperature=1.0, disable_tqdm=True, logging_steps=1000, seed=0,
    stop_token="eos",  # noqa: S106 - a word of text
)  # fmt: skip
trainer = PPOTrainer(
    args=settings, processing_class=tokenizer, model=AutoModelForCausalLM.from_pretrained(FOLDER / "policy"), ref_model=None,
    reward_model=rewards[0], train_dataset=data, value_model=value, peft_config=LoraConfig(**w.LORA, task_type="CAUSAL_LM"),
)  # fmt: skip
trainer.accelerator.gradient_accumulation_steps = 1  # or TRL takes one optimizer step an epoch, not one a mini-batch
marks: list[tuple[float, dict[str, float]]] = []
trainer.log = lambda *_, **__: marks.append((time.perf_counter(), dict(timers)))
trainer.train()
seconds = [after[0] - before[0] for before, after in pairwise(marks)]
parts = w.Timers(marks[-1][1]).since(marks[0][1], len(seconds))
parts["update"] = statistics.mean(seconds) - sum(parts.values())
w.emit(version=trl.__version__, seconds=seconds, median=statistics.median(seconds), parts=parts)
