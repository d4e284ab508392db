"""Lenity, and TRL's GRPOTrainer beside it, on one accelerator: tokens a second, share of the peak rate, memory, where the time goes.

Random weights in the shape of a model, LoRA, rewards that cost nothing, responses of fixed length, bfloat16. `--size tiny
--device cpu` is a check that the scripts run.

    python benchmarks/gpu/run.py --size 100M
    python benchmarks/gpu/run.py --size 8B --rank 64 --batch 64 --mini 8 --profile
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
import workload as w
from floor import operations, rate

LLAMA: dict[str, dict[str, int]] = {
    "tiny": {"hidden_size": 64, "intermediate_size": 176, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 2048},
    "100M": {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 12, "num_key_value_heads": 12, "vocab_size": 32000},
    "1B": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256},
    "8B": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256},
}  # fmt: skip


def main() -> None:
    """Both engines, a process each, and a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="100M", choices=LLAMA)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--rank", type=int, default=64, help="of the adapter")
    parser.add_argument("--prompt", type=int, default=256, help="tokens")
    parser.add_argument("--response", type=int, default=256, help="tokens")
    parser.add_argument("--batch", type=int, default=64, help="responses an iteration")
    parser.add_argument("--mini", type=int, default=8, help="responses an optimizer step")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3, help="iterations timed, after one to warm up")
    parser.add_argument("--compile", action="store_true", help="policy.compile")
    parser.add_argument("--profile", action="store_true", help="what the last update spends its time on")
    parser.add_argument(
        "--peak", type=float, help="TFLOP/s of the accelerator; default: measured on 8192³ bfloat16 products"
    )
    parser.add_argument("--engines", default="lenity,grpo")
    parser.add_argument("--one", help="engine and folder: run it here")
    options = parser.parse_args()
    if options.one:
        engine, folder = options.one.split(",", 1)
        {"lenity": lenity, "grpo": grpo}[engine](options, Path(folder))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        build(folder, options)
        peak = (
            options.peak * 1e12
            if options.peak
            else rate(torch.bfloat16, 8192 if options.device == "cuda" else 1024, device=options.device)
        )
        counted = count(folder, options)
        print(f"{options.size}, rank {options.rank}, {options.batch} responses of {options.response} to prompts of {options.prompt} tokens, "
              f"{options.epochs} epochs; {device_name(options.device)}, {peak / 1e12:.0f} TFLOP/s\n")  # fmt: skip
        print(
            "| engine | s an iteration | generated tokens/s | trained tokens/s | share of the rate in the update | peak GiB | parts, s |"
        )
        print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
        for engine in options.engines.split(","):
            print(row(engine, apart(engine, folder), options, counted, peak), flush=True)


def device_name(device: str) -> str:
    """For the heading."""
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"


def apart(engine: str, folder: Path) -> dict[str, Any]:
    """Figures of one process, which is called as this one was."""
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--one", f"{engine},{folder}"],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("JSON ")), None)
    if line is None:
        return {"failed": f"exit status {done.returncode}"}
    print("\n".join(line for line in done.stdout.splitlines() if not line.startswith("JSON ")), file=sys.stderr)
    found: dict[str, Any] = json.loads(line[5:])
    return found


def row(engine: str, found: dict[str, Any], options: argparse.Namespace, counted: dict[str, float], peak: float) -> str:
    """Of the table."""
    if "failed" in found:
        return f"| {engine} | {found['failed']} | | | | | |"
    tokens, parts = options.batch * options.response, found["parts"]
    share = counted["update"] / parts["update"] / peak
    shown = ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items())
    return (
        f"| {engine} | {sum(parts.values()):.2f} | {tokens / parts['generate']:,.0f} | {options.epochs * tokens / parts['update']:,.0f} | "
        f"{share:.0%} | {found['peak'] / 2**30:.1f} | {shown} |"
    )


def build(folder: Path, options: argparse.Namespace) -> None:
    """Policy, tokenizer and prompts."""
    from pydoc_data import topics

    from transformers import LlamaConfig, LlamaForCausalLM

    text = [page for _, page in sorted(topics.topics.items())]
    tokenizer = w.make_tokenizer(text)
    rows = w.make_prompts(tokenizer, text, options.prompt)
    window = options.prompt + options.response
    config = LlamaConfig(
        **LLAMA[options.size],
        max_position_embeddings=window,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(options.device):
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder / "policy")
    tokenizer.save_pretrained(folder / "policy")
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": row}) + "\n" for row in rows))
    (folder / "free.py").write_text(
        "def one(prompts, responses):\n    return [len(set(text)) / 50 for text in responses]\n\n\ndef other(prompts, responses):\n    return [text.count('e') / 9 for text in responses]\n"
    )


def count(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Floating-point operations by part."""
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder / "policy"))
    return operations(
        model, batch=options.batch, prompt=options.prompt, length=options.response, epochs=options.epochs, rewards=0
    )  # fmt: skip


def lenity(options: argparse.Namespace, folder: Path) -> None:
    """PLC with two rewards and the shared critic, through ``lenity.training.loop``."""
    from lenity.config.load import parse
    from lenity.methods import train
    from lenity.runs.config import RunConfig
    from lenity.update.step import Update

    config = {
        "output": str(folder / "run"), "iterations": options.steps + 1,
        "policy": {
            "model": str(folder / "policy"), "dtype": "bfloat16", "compile": options.compile,
            "lora": {"r": options.rank, "alpha": 2 * options.rank, "dropout": 0.0, "target_modules": "all-linear"},
        },
        "prompts": {"type": "columns", "dataset": str(folder / "prompts.jsonl"), "max_tokens": options.prompt},
        "weights": {"one": 0.5, "other": 0.5},
        "rewards": {name: {"type": "function", "function": f"{folder / 'free.py'}:{name}"} for name in ("one", "other")},
        "rollout": {"batch_size": options.batch, "generation_batch_size": options.batch, "max_new_tokens": options.response, "min_new_tokens": options.response},
        "ppo": {"epochs": options.epochs, "mini_batch_size": options.mini, "accumulation": 1},
        "standardisation": {"prompts": options.batch}, "checkpoint": {"every": 1000}, "logging": {"progress": False},
    }  # fmt: skip
    if options.profile:
        plain, calls = Update.__call__, iter(range(options.steps + 1))

        def profiled(self: Update, *arguments: Any, **more: Any) -> Any:
            if next(calls) < options.steps:
                return plain(self, *arguments, **more)
            with torch.profiler.profile() as profile:
                found = plain(self, *arguments, **more)
            key = "self_cuda_time_total" if options.device == "cuda" else "self_cpu_time_total"
            print(profile.key_averages().table(sort_by=key, row_limit=20, max_name_column_width=60))
            return found

        Update.__call__ = profiled  # type: ignore[method-assign]
    rows = train(parse(RunConfig, config)).metrics()[1:]
    report({name: statistics.median(row["seconds"][name] for row in rows) for name in rows[0]["seconds"]})


def grpo(options: argparse.Namespace, folder: Path) -> None:
    """TRL's GRPOTrainer, which has no critic: the same responses, epochs and optimizer steps."""
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    settings = GRPOConfig(
        output_dir=str(folder / "grpo"), per_device_train_batch_size=options.mini, gradient_accumulation_steps=1,
        steps_per_generation=options.batch // options.mini, num_iterations=options.epochs, num_generations=4, beta=0.05,
        max_completion_length=options.response, generation_kwargs={"min_new_tokens": options.response}, report_to=[], save_strategy="no",
        bf16=True, use_cpu=options.device == "cpu", gradient_checkpointing=False, learning_rate=1e-6, disable_tqdm=True, logging_steps=1000,
        max_steps=options.epochs * (options.batch // options.mini) * (options.steps + 1), loss_type="dapo",
    )  # fmt: skip

    def free(completions: list[str], **columns: Any) -> list[float]:
        return [len(set(text)) / 50 for text in completions]

    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder / "policy", dtype=torch.bfloat16), reward_funcs=[free, free], args=settings,
        processing_class=AutoTokenizer.from_pretrained(folder / "policy", padding_side="left"),
        train_dataset=load_dataset("json", data_files=str(folder / "prompts.jsonl"), split="train"),
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=options.rank, lora_alpha=2 * options.rank, target_modules="all-linear"),
    )  # fmt: skip
    timers, batches = w.Timers(), []
    timers.wrap(trainer, "_generate_single_turn", "generate")
    timers.wrap(trainer, "_generate_and_score_completions", "batch")
    timers.wrap(trainer, "training_step", "step")
    plain = trainer._generate_and_score_completions

    def marked(inputs: Any) -> Any:
        batches.append(dict(timers))
        return plain(inputs)

    trainer._generate_and_score_completions = marked
    trainer.train()
    steps = timers.since(batches[1], options.steps)  # a training step makes the batch where there is none
    report({
        "generate": steps["generate"], "old and reference": steps["batch"] - steps["generate"], "update": steps["step"] - steps["batch"],
    })  # fmt: skip


def report(parts: dict[str, float]) -> None:
    """One line that the table reads."""
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    print("JSON " + json.dumps({"parts": parts, "peak": peak}), flush=True)


if __name__ == "__main__":
    main()
