"""Generation with ``model.generate`` of transformers, one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lenity.batch import Rollouts, concatenate, pad_right
from lenity.errors import DataError, NumericalError

_NO_PROBABILITIES = ("probability tensor contains", "device-side assert")  # of torch.multinomial, on a CPU and on CUDA
TAIL = 12  # tokens in which a stop string that has just been completed must lie


@dataclass(frozen=True)
class Response:
    """One generated response."""

    text: str
    tokens: int
    finished: bool


@dataclass(frozen=True)
class TransformersGenerator:
    """Samples from ``model``, a batch at a time.

    Args:
        model: a causal language model; put it in evaluation mode first.
        tokenizer: pads on the left.
        max_new_tokens: longest response.
        min_new_tokens: no end-of-sequence before this many.
        temperature: of sampling; 0 decodes greedily.
        top_p: nucleus.
        stop: a response ends with the token that completes one of these; its text ends before it.
        batch_size: responses at once.
    """

    model: Any
    tokenizer: Any
    max_new_tokens: int
    min_new_tokens: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ("\n\nHuman:",)
    batch_size: int = 128

    def generate(self, prompts: Sequence[str], progress: Callable[[int], None] | None = None) -> Rollouts:
        """One response a prompt, in order.

        Raises:
            DataError: a prompt leaves no room for the longest response in the model's window.
        """
        parts = []
        for start in range(0, len(prompts), self.batch_size):
            part = list(prompts[start : start + self.batch_size])
            parts.append(self._generate(part))
            if progress is not None:
                progress(len(part))
        return concatenate(parts, self.tokenizer.pad_token_id)

    @torch.no_grad()
    def _generate(self, prompts: list[str]) -> Rollouts:
        encoded = self.tokenizer(prompts, return_tensors="pt", padding=True).to(self.model.device)
        ids, attention = encoded["input_ids"], encoded["attention_mask"]
        if ids.shape[1] + self.max_new_tokens > self.tokenizer.model_max_length:
            raise DataError(
                f"a prompt of {ids.shape[1]} tokens and a response of up to {self.max_new_tokens} are longer than the model's window of "
                f"{self.tokenizer.model_max_length}.",
                "Lower prompts.max_tokens or max_new_tokens, or choose a model with a longer window.",
            )
        stopping = _Stopping(self.tokenizer, ids.shape[1], self.stop)
        output = self._output(input_ids=ids, attention_mask=attention, stopping_criteria=[stopping])
        answers = output[:, ids.shape[1] :]
        ends = set(self._end_ids())
        lengths = [
            _length(row, ends, at) for row, at in zip(answers.tolist(), stopping.found(len(answers)), strict=True)
        ]
        rows = [row[: length[0]] for row, length in zip(answers, lengths, strict=True)]
        width = max(len(row) for row in rows)
        return Rollouts(
            prompts=prompts,
            responses=self._texts(ids, rows),
            prompt_ids=ids,
            prompt_mask=attention.bool(),
            response_ids=pad_right(rows, width, self.tokenizer.pad_token_id),
            response_mask=torch.arange(width, device=ids.device) < torch.tensor([n for n, _ in lengths], device=ids.device)[:, None],
            finished=torch.tensor([ended for _, ended in lengths], device=ids.device),
        )  # fmt: skip

    def _output(self, **inputs: Any) -> Tensor:
        try:
            found: Tensor = self.model.generate(**inputs, generation_config=self._settings())
        except RuntimeError as error:
            if not any(sign in str(error) for sign in _NO_PROBABILITIES):
                raise
            raise NumericalError(
                f"the policy's probabilities of a next token are not finite ({str(error).splitlines()[0]}).",
                "Go back to an earlier checkpoint, and lower optimizer.learning_rate.",
            ) from error
        return found

    def _texts(self, prompts: Tensor, responses: list[Tensor]) -> list[str]:
        """What each response adds to its prompt's text; alone, many tokenizers would lose its leading space."""
        before, after = prompts.tolist(), [row.tolist() for row in responses]
        both = [prompt + response for prompt, response in zip(before, after, strict=True)]
        texts = [self.tokenizer.batch_decode(ids, skip_special_tokens=True) for ids in (before, both, after)]
        return [
            cut(whole[len(prompt) :] if whole.startswith(prompt) else alone, self.stop)
            for prompt, whole, alone in zip(*texts, strict=True)
        ]

    def _settings(self) -> Any:
        from transformers import GenerationConfig

        sampling: dict[str, Any] = {"do_sample": False}
        if self.temperature > 0:
            sampling = {"do_sample": True, "temperature": self.temperature, "top_p": self.top_p, "top_k": 0}
        return GenerationConfig(
            max_new_tokens=self.max_new_tokens,
            min_new_tokens=self.min_new_tokens or None,
            eos_token_id=self._end_ids(),
            pad_token_id=self.tokenizer.pad_token_id,
            **sampling,
        )

    def _end_ids(self) -> Any:
        """The tokenizer's end token and those the model's generation config adds (chat models end turns with others)."""
        configured = getattr(getattr(self.model, "generation_config", None), "eos_token_id", None)
        return sorted({self.tokenizer.eos_token_id, *_as_list(configured)})


def generate_texts(
    model: Any, tokenizer: Any, prompts: Sequence[str], *, seed: int = 0, progress: Callable[[int], None] | None = None, **settings: Any
) -> list[Response]:  # fmt: skip
    """Texts alone, from a seed that leaves the caller's random state as it was; ``settings`` as :class:`TransformersGenerator`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        rollouts = TransformersGenerator(model, tokenizer, **settings).generate(prompts, progress)
    lengths = rollouts.response_mask.sum(1).tolist()
    return [Response(*row) for row in zip(rollouts.responses, lengths, rollouts.finished.tolist(), strict=True)]


def cut(text: str, stop: Sequence[str]) -> str:
    r"""The text before the first stop string.

    >>> cut(" Yes.\n\nHuman: Why?", ["\n\nHuman:"])
    ' Yes.'
    """
    return text[: min((at for at in map(text.find, stop) if at >= 0), default=len(text))]


class _Stopping:
    """Ends a row once its last tokens spell a stop string; remembers after how many tokens.

    Only a token that holds the last character of a stop string can complete it, so that the other rows are not decoded.
    """

    def __init__(self, tokenizer: Any, prompt: int, stop: Sequence[str]) -> None:
        self._tokenizer, self._prompt, self._stop = tokenizer, prompt, stop
        self._at: list[int | None] = []
        self._completing = _tokens_with(tokenizer, "".join(sorted({text[-1] for text in stop if text})))

    def __call__(self, ids: Int[Tensor, "B S"], scores: Any, **kwargs: Any) -> Bool[Tensor, " B"]:
        length = ids.shape[1] - self._prompt
        self._at = self._at or [None] * len(ids)
        if rows := [row for row, token in enumerate(ids[:, -1].tolist()) if token in self._completing]:
            tails = self._tokenizer.batch_decode(ids[rows, max(self._prompt, ids.shape[1] - TAIL) :])
            for row, tail in zip(rows, tails, strict=True):
                if self._at[row] is None and any(text in tail for text in self._stop):
                    self._at[row] = length
        return torch.tensor([at is not None for at in self._at], device=ids.device)

    def found(self, rows: int) -> list[int | None]:
        return self._at or [None] * rows


@lru_cache(maxsize=8)
def _tokens_with(tokenizer: Any, characters: str) -> frozenset[int]:
    """The tokens whose text holds any of ``characters``, or a part of a character, which may be one of them."""
    if not characters:
        return frozenset()
    texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    signs = {*characters, "\ufffd"}
    return frozenset(token for token, text in enumerate(texts) if signs & set(text))


def _length(tokens: list[int], ends: set[int], stopped: int | None) -> tuple[int, bool]:
    """Tokens up to and with the end, and whether there was one."""
    end = next((i + 1 for i, token in enumerate(tokens) if token in ends), None)
    ended = [n for n in (end, stopped) if n is not None]
    return (min(ended), True) if ended else (len(tokens), False)


def _as_list(value: Any) -> list[int]:
    return [] if value is None else list(value) if isinstance(value, (list, tuple, set)) else [value]
