"""Golden runs: the same small runs by two checkouts of the project, compared to the bit.

The safety net of a redesign. Bits differ from processor to processor, so none are kept in the repository: record them with the
checkout before and the checkout after on one machine, with the same inputs.

    python scripts/golden.py inputs  golden/inputs                     # toy world, a byte-level policy and its reward model
    python scripts/golden.py record  CHECKOUT golden/inputs golden/A   # about three minutes
    python scripts/golden.py compare golden/A golden/B                 # exit code 1 where a file differs

Every run goes through the command line of its checkout: PLC, linear, MGDA, PCGrad, GDPO, Rewards-in-Context and soups with their
solo runs in one sweep over the toy world; two iterations on conversations in the form of hh-rlhf with a model as reward; and PLC
by two processes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

TIMINGS = {"seconds", "tokens_per_second", "rule_seconds", "learning_rate"}  # the last was not recorded at first
FORMER = {"mask_mean": "objective_scale_mean", "without_eos": "truncated_fraction"}  # names of before
TENSORS = ("adapter/adapter_model.safetensors", "weights.safetensors", "optimizer.safetensors", "rule.safetensors")
CONVERSATIONS = [
    ("How do I boil an egg?", " Put it in boiling water for eight minutes.", " No idea."),
    ("Name a colour of the rainbow.", " Violet is one of them.", " Why would you care?"),
    ("What is two and two?", " Two and two make four.", " Work it out."),
    ("Say good morning in French.", " Bonjour is what they say.", " I will not."),
]


def toy_run(inputs: Path, output: Path) -> dict[str, Any]:
    """A run on the toy world, as a configuration of the first version."""
    return {
        "output": str(output), "seed": 3, "iterations": 3,
        "policy": {"model": str(inputs / "world/policy"), "dtype": "float32", "lora": {"r": 8, "alpha": 16, "dropout": 0.05}},
        "prompts": {"reader": "toy", "split": "train", "count": 200},
        "held_out_prompts": {"reader": "toy", "split": "test", "count": 60},
        "weights": {"helpful": 0.5, "harmless": 0.5},
        "rewards": {name: {"kind": "toy", "preference": name} for name in ("helpful", "harmless")},
        "critic": {"kind": "shared", "hidden_size": 64},
        "rollout": {"batch_size": 32, "max_new_tokens": 12},
        "ppo": {"epochs": 2, "mini_batch_size": 8, "accumulation": 2},
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 2},
        "standardisation": {"prompts": 64},
        "evaluation": {"limit": 60},
        "logging": {"progress": False},
    }  # fmt: skip


def hh_run(inputs: Path, output: Path) -> dict[str, Any]:
    """Two iterations on conversations, a byte-level policy, a model and a function as rewards."""
    data = {"reader": "hh-rlhf", "dataset": str(inputs / "hh"), "subset": "harmless-base"}
    return toy_run(inputs, output) | {
        "iterations": 2,
        "policy": {"model": str(inputs / "bytes"), "dtype": "float32", "lora": {"r": 8, "alpha": 16, "dropout": 0.0}},
        "prompts": data | {"split": "train"},
        "held_out_prompts": data | {"split": "test"},
        "weights": {"kind": 0.4, "brief": 0.6},
        "rewards": {
            "kind": {"kind": "model", "model": str(inputs / "reward")},
            "brief": {"kind": "function", "function": f"{Path(__file__).resolve()}:brief"},
        },
        "rollout": {"batch_size": 12, "max_new_tokens": 10},
        "ppo": {"epochs": 2, "mini_batch_size": 4, "accumulation": 1},
        "method": {"name": "plc", "gate": "sigmoid", "temperature": 0.5, "schedule": "constant"},
    }


def brief(prompts: list[str], responses: list[str]) -> list[float]:
    """Rewards short responses."""
    return [-float(len(response)) for response in responses]


def make_inputs(folder: Path) -> None:
    """Models and data that all recordings share."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast
    from transformers.trainer_utils import set_seed

    toy = ["lenity.toy.world", "lenity.data.toy.world"]
    for module in toy:
        if (
            subprocess.run([sys.executable, "-m", module, "--output", str(folder / "world")], check=False).returncode
            == 0
        ):
            break
    set_seed(5)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE(vocab={sign: i for i, sign in enumerate([*alphabet, "<s>", "</s>"])}, merges=[]))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    sizes = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": 512, "pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id,
    }  # fmt: skip
    LlamaForCausalLM(LlamaConfig(**sizes)).save_pretrained(folder / "bytes")
    LlamaForSequenceClassification(LlamaConfig(**sizes, num_labels=1)).save_pretrained(folder / "reward")
    for name in ("bytes", "reward"):
        tokenizer.save_pretrained(folder / name)
    data = folder / "hh" / "harmless-base"
    data.mkdir(parents=True)
    for split, copies in (("train", range(8)), ("test", range(8, 11))):
        rows = [
            {
                key: f"\n\nHuman: {question} ({i})\n\nAssistant:{answer}"
                for key, answer in (("chosen", good), ("rejected", bad))
            }
            for i in copies
            for question, good, bad in CONVERSATIONS
        ]
        (data / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def record(checkout: Path, inputs: Path, output: Path) -> None:
    """Train and evaluate with the code of ``checkout``, and write ``output/hashes.json``."""
    output.mkdir(parents=True)
    checkout, inputs, output = checkout.resolve(), inputs.resolve(), output.resolve()
    ric = {
        "name": "ric", "batch_size": 8, "max_length": 64,
        "offline": {"steps": 6, "learning_rate": 1e-3}, "online": {"samples": 32, "steps": 3, "learning_rate": 2e-4},
    }  # fmt: skip
    gdpo = {"name": "gdpo", "responses": 4}
    methods = ["plc", "linear", "mgda", "torchjd:PCGrad", gdpo, "soups", ric]
    run = toy_run(inputs, output / "unused")
    write(output / "sweep.yaml", {"run": run, "methods": methods, "points": [{"helpful": 0.5, "harmless": 0.5}]})
    write(output / "hh.yaml", hh_run(inputs, output / "hh"))
    write(output / "two.yaml", toy_run(inputs, output / "two") | {"method": "plc"})
    lenity(
        checkout, "-m", "lenity", "sweep", str(output / "sweep.yaml"), "--output", str(output / "sweep"), "--jobs", "1"
    )
    lenity(checkout, "-m", "lenity", "train", str(output / "hh.yaml"))
    start = ["-m", "accelerate.commands.launch", "--config_file", str(checkout / "configs/accelerate/cpu_ddp.yaml")]
    lenity(checkout, *start, "-m", "lenity", "train", str(output / "two.yaml"))
    runs = sorted(path.parent for path in output.rglob("config.yaml"))
    hashes = {str(path.relative_to(output)): hashes_of(path) for path in runs}
    (output / "hashes.json").write_text(json.dumps(hashes, indent=1), encoding="utf-8")
    print(f"{len(hashes)} runs recorded in {output / 'hashes.json'}")


def hashes_of(run: Path) -> dict[str, str]:
    """Of the adapter, the last checkpoint's tensors, samples, constants and metrics without timings."""
    checkpoints = sorted((run / "checkpoints").glob("iteration_*"))
    last = checkpoints[-1] if checkpoints else run
    files = [
        run / TENSORS[0],
        *(last / name for name in TENSORS[1:]),
        run / "samples.jsonl",
        run / "standardisation.json",
    ]
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()}
    if (metrics := run / "metrics.jsonl").is_file():
        rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
        kept = [{FORMER.get(key, key): value for key, value in row.items() if key not in TIMINGS} for row in rows]
        found["metrics"] = hashlib.sha256(json.dumps(kept).encode()).hexdigest()
    return found


def compare(first: Path, second: Path) -> int:
    """A table run by run; 1 where anything differs or is missing."""
    before, after = (json.loads((folder / "hashes.json").read_text(encoding="utf-8")) for folder in (first, second))
    different = 0
    for run in sorted({*before, *after}):
        old, new = before.get(run, {}), after.get(run, {})
        unlike = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        different += bool(unlike)
        print(f"{run:40} {'the same ' + str(len(old)) + ' files' if not unlike else 'DIFFERENT: ' + ', '.join(unlike)}")
    return int(different > 0 or not before)


def lenity(checkout: Path, *arguments: str) -> None:
    """One Python command with the code of ``checkout``."""
    own = {"PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "NO_COLOR": "1"}
    subprocess.run([sys.executable, *arguments], check=True, env=os.environ | own)


def write(file: Path, settings: dict[str, Any]) -> None:
    """``settings`` as YAML."""
    file.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def main() -> int:
    """What the command line asks for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = options.add_subparsers(dest="command", required=True)
    for name, arguments in (
        ("inputs", ["folder"]), ("record", ["checkout", "inputs", "output"]), ("compare", ["first", "second"]),
    ):  # fmt: skip
        command = commands.add_parser(name)
        for argument in arguments:
            command.add_argument(argument, type=Path)
    chosen = vars(options.parse_args())
    work = {"inputs": make_inputs, "record": record, "compare": compare}[chosen.pop("command")]
    return int(work(*chosen.values()) or 0)


if __name__ == "__main__":
    sys.exit(main())
