"""Peak memory of one training pass against response length at a vocabulary of 128,256, the head in chunks and whole.

python benchmarks/speed/head_memory.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import workload as w

VOCABULARY, ROWS, LENGTHS = 128_256, 8, (16, 64, 128, 256, 512)


def one(length: int, whole: bool) -> None:
    """Forward and backward of a mini-batch, in this process."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    from lenity.models import actor_critic
    from lenity.models.critic import Heads

    if whole:
        actor_critic.CHUNK = 10**12
    torch.set_num_threads(2)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=1024, tie_word_embeddings=True,
    )  # fmt: skip
    policy = get_peft_model(
        LlamaForCausalLM(config), LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear")
    )
    module = actor_critic.ActorCritic(policy, Heads(64, 32, 2))
    prompts = torch.randint(VOCABULARY, (ROWS, 16))
    responses = torch.randint(VOCABULARY, (ROWS, length))
    outputs = module(prompts, torch.ones_like(prompts).bool(), responses, torch.ones_like(responses).bool())
    (outputs.logprobs.sum() + outputs.values.sum()).backward()
    w.emit(length=length)


def main() -> None:
    """A process for each cell."""
    print(
        f"| response tokens | {ROWS} × tokens × vocabulary, MiB | chunks, peak MiB | whole, peak MiB |\n| ---: | ---: | ---: | ---: |"
    )
    for length in LENGTHS:
        cells = []
        for whole in ("", "whole"):
            done = subprocess.run(
                [sys.executable, __file__, str(length), whole], check=False, capture_output=True, text=True,
                cwd=Path(__file__).parent, env=os.environ | w.QUIET,
            )  # fmt: skip
            line = next((line for line in done.stdout.splitlines() if line.startswith("JSON ")), None)
            cells.append(
                f"{json.loads(line[5:])['peak_bytes'] / 2**20:,.0f}"
                if line
                else f"ended by the system ({done.returncode})"
            )
        print(f"| {length} | {ROWS * length * VOCABULARY * 4 / 2**20:,.0f} | {cells[0]} | {cells[1]} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        one(int(sys.argv[1]), bool(sys.argv[2]))
    else:
        main()
