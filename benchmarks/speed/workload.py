"""One workload for every engine: a random Llama, two random reward models, a tokenizer and prompts of fixed length.

Built once into ``assets/<size>-<lengths>`` beside this file. ``fixed``: responses end at the limit, but for chance. ``realistic``:
the end token has a probability that makes responses about 40 % of the limit long.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch

PROMPT, RESPONSE, BATCH, MINI, EPOCHS, VOCABULARY = 64, 48, 32, 8, 4, 2048
SIZES = {"1M": (128, 4), "5M": (256, 6), "20M": (512, 6)}
ENDING = 0.046  # probability of the end token that makes the mean length 40 % of the limit
LORA = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.0, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]}
HERE = Path(__file__).parent
QUIET = {
    "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1", "TRL_EXPERIMENTAL_SILENCE": "1", "CUDA_VISIBLE_DEVICES": "",
}  # fmt: skip


def assets(size: str, lengths: str) -> Path:
    """The folder of the models, made where it is missing."""
    folder = HERE / "assets" / f"{size}-{lengths}"
    if not (folder / "prompts.json").exists():
        _build(folder, *SIZES[size], realistic=lengths == "realistic")
    return folder


def prompts(folder: Path) -> list[str]:
    """512 texts of exactly ``PROMPT`` tokens."""
    found: list[str] = json.loads((folder / "prompts.json").read_text())
    return found


def emit(**figures: Any) -> None:
    """One line that the table reads; peak memory is of the whole process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print("JSON " + json.dumps({**figures, "peak_bytes": peak, "torch": torch.__version__}), flush=True)


class Timers(dict[str, float]):
    """Seconds by name."""

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Time every call of a method."""
        plain = getattr(owner, attribute)

        def timed(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return plain(*arguments, **options)
            finally:
                self[name] = self.get(name, 0.0) + time.perf_counter() - start

        setattr(owner, attribute, timed)

    def since(self, before: dict[str, float], steps: int) -> dict[str, float]:
        """Mean a step since ``before``."""
        return {name: round((seconds - before.get(name, 0.0)) / steps, 4) for name, seconds in self.items()}


def arguments() -> tuple[Path, int, str]:
    """Folder of the models, steps to time, and what else the script was called with."""
    size, lengths, steps, *more = sys.argv[1:]
    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "2")))
    return assets(size, lengths), int(steps), more[0] if more else ""


def _build(folder: Path, hidden: int, layers: int, *, realistic: bool) -> None:
    from pydoc_data import topics

    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    text = [page for _, page in sorted(topics.topics.items())]
    tokenizer = make_tokenizer(text)
    heads = max(4, hidden // 64)
    sizes = {
        "vocab_size": VOCABULARY, "hidden_size": hidden, "intermediate_size": hidden * 11 // 4, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": heads, "max_position_embeddings": 512, "pad_token_id": 0,
        "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False,
    }  # fmt: skip
    rows = make_prompts(tokenizer, text)
    torch.manual_seed(0)
    policy = LlamaForCausalLM(LlamaConfig(**sizes))
    if realistic:
        _let_it_end(policy, tokenizer, rows)
    policy.save_pretrained(folder / "policy")
    for number in range(3):
        torch.manual_seed(10 + number)
        LlamaForSequenceClassification(LlamaConfig(**sizes, num_labels=1)).save_pretrained(folder / f"reward{number}")
    for name in ("policy", "reward0", "reward1", "reward2"):
        tokenizer.save_pretrained(folder / name)
    (folder / "prompts.json").write_text(json.dumps(rows))


def make_tokenizer(text: list[str]) -> Any:
    """Byte pairs of ``text``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    found = Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    found.train_from_iterator(
        text, trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=list(special.values()), show_progress=False)
    )
    return PreTrainedTokenizerFast(tokenizer_object=found, padding_side="left", **special)


def make_prompts(tokenizer: Any, text: list[str], length: int = PROMPT) -> list[str]:
    """In the form Lenity's readers leave as it is, so that every engine reads the same tokens."""
    head, tail = "\n\nHuman:", "\n\nAssistant:"
    room = length - len(tokenizer(head)["input_ids"]) - len(tokenizer(tail)["input_ids"])
    ids = tokenizer("\n".join(text), add_special_tokens=False)["input_ids"]
    rows: list[str] = []
    for start in range(0, len(ids) - room, 131):
        row = head + tokenizer.decode(ids[start : start + room]) + tail
        if len(tokenizer(row)["input_ids"]) == length and row not in rows:
            rows.append(row)
        if len(rows) == 512:
            break
    return rows


@torch.no_grad()
def _let_it_end(policy: Any, tokenizer: Any, rows: list[str]) -> None:
    """A direction that every state shares, and a logit of the end token along it, until it has its probability."""
    policy.model.embed_tokens.weight[:, 0] = 1.0
    ids = tokenizer(rows[:32], return_tensors="pt")["input_ids"]
    low, high = 0.0, 20.0
    for _ in range(20):
        middle = (low + high) / 2
        policy.lm_head.weight[2] = 0
        policy.lm_head.weight[2, 0] = middle
        chance = policy(input_ids=ids).logits[:, -1].softmax(-1)[:, 2].mean().item()
        low, high = (middle, high) if chance < ENDING else (low, middle)
