"""The tiny transformers of the toy world and their short training loops; plain torch, so that a build takes seconds.

The lengths are tiny and fixed, so each text is tokenised once and padded on the left to one length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast

from lenity.data.human_assistant import ASSISTANT
from lenity.toy.language import vocabulary

SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")
SCORES = (
    "<rm",
    "_score>",
    ".",
    "-",
    *"0123456789",
)  # no text of the world has them; Rewards-in-Context writes scores with them
Step = Callable[[], None]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer with one token per word, and one per character of a number; decoding joins tokens with spaces."""
    pad, bos, eos, unk = SPECIAL
    words = {word: i for i, word in enumerate((*SPECIAL, *vocabulary(), *SCORES))}
    core = Tokenizer(WordLevel(words, unk_token=unk))
    numbers = pre_tokenizers.Split(Regex(r"[-.0-9]"), "isolated")
    core.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), numbers])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=pad, bos_token=bos, eos_token=eos, unk_token=unk, padding_side="left"
    )


def _config(tokenizer: PreTrainedTokenizerFast, **extra: Any) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
        **extra,
    )


def _encode(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    rows = tokenizer(list(texts), padding=True, return_tensors="pt")
    ids: Tensor = rows["input_ids"]
    mask: Tensor = rows["attention_mask"]
    return ids, mask


def _fit(
    model: torch.nn.Module,
    rows: int,
    loss_of: Callable[[Tensor], Tensor],
    *,
    epochs: int,
    batch: int,
    lr: float,
    step: Step,
) -> None:
    updates = epochs * (rows // batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=updates, pct_start=0.1)
    model.train()
    for _ in range(epochs):
        order = torch.randperm(rows)
        for at in range(0, rows - batch + 1, batch):
            optimizer.zero_grad()
            loss_of(order[at : at + batch]).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step()
    model.eval()


def train_policy(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], *, epochs: int, batch: int, step: Step
) -> LlamaForCausalLM:
    """A new tiny Llama, trained on transcripts with the loss on the text after ``Assistant:`` and on EOS."""
    model = LlamaForCausalLM(_config(tokenizer))
    ids, mask = _encode(tokenizer, [text + " <eos>" for text in texts])
    assistant = ids == tokenizer.convert_tokens_to_ids(ASSISTANT.strip())
    labels = ids.masked_fill(assistant.cumsum(-1) - assistant.long() == 0, -100)

    def loss_of(rows: Tensor) -> Tensor:
        logits = model(input_ids=ids[rows], attention_mask=mask[rows]).logits[:, :-1]
        return cross_entropy(logits.flatten(0, 1), labels[rows][:, 1:].flatten(), ignore_index=-100)

    _fit(model, len(texts), loss_of, epochs=epochs, batch=batch, lr=3e-3, step=step)
    return model


def train_reward(
    tokenizer: PreTrainedTokenizerFast, rows: Sequence[dict[str, str]], *, epochs: int, batch: int, step: Step
) -> LlamaForSequenceClassification:
    """A new tiny Llama, trained on preference pairs (Bradley-Terry); every other pair ends with EOS, so that texts with and without it score alike."""
    model = LlamaForSequenceClassification(_config(tokenizer, num_labels=1))
    ends = [" <eos>" if i % 2 else "" for i in range(len(rows))]
    both = [row[side] + end for side in ("chosen", "rejected") for row, end in zip(rows, ends, strict=True)]
    ids, mask = _encode(tokenizer, both)

    def loss_of(chosen: Tensor) -> Tensor:
        index = torch.cat([chosen, chosen + len(rows)])
        scores: Tensor = model(input_ids=ids[index], attention_mask=mask[index]).logits[:, 0]
        better, worse = scores.chunk(2)
        loss: Tensor = -logsigmoid(better - worse).mean() + 1e-3 * scores.square().mean()
        return loss

    _fit(model, len(rows), loss_of, epochs=epochs, batch=batch, lr=3e-3, step=step)
    return model


@torch.no_grad()
def reward_scores(
    model: LlamaForSequenceClassification, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]
) -> list[float]:
    """A reward model's scores of whole transcripts."""
    ids, mask = _encode(tokenizer, texts)
    parts = [(ids[at : at + 512], mask[at : at + 512]) for at in range(0, len(texts), 512)]
    return [float(x) for part, seen in parts for x in model(input_ids=part, attention_mask=seen).logits[:, 0]]


@torch.no_grad()
def sample(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str], max_new_tokens: int
) -> list[str]:
    """One sampled response per prompt at temperature 1, without special tokens."""
    ids, mask = _encode(tokenizer, prompts)
    out = model.generate(
        input_ids=ids, attention_mask=mask, do_sample=True, top_k=0, top_p=1.0, max_new_tokens=max_new_tokens
    )
    return [" " + text for text in tokenizer.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)]
