"""Generation with a model of transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lenity.batch import Rollouts, concatenate, pad_right
from lenity.errors import DataError
from lenity.processes import ALONE, Processes
from lenity.rollout.base import generate
from lenity.rollout.decoding import Sampling, decode, decodes, draw, not_finite_error
from lenity.rollout.draws import Draws
from lenity.rollout.stops import StopStrings, cut


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

    def generate(
        self, prompts: Sequence[str], progress: Callable[[int], None] | None = None, draws: Draws | None = None
    ) -> Rollouts:
        """One response a prompt, in order.

        Raises:
            DataError: a prompt leaves no room for the longest response in the model's window.
        """
        parts = []
        draws = Draws.of(len(prompts), self.max_new_tokens) if draws is None else draws
        for start in range(0, len(prompts), self.batch_size):
            rows = slice(start, start + self.batch_size)
            parts.append(self._generate(list(prompts[rows]), draws[rows]))
            if progress is not None:
                progress(len(parts[-1]))
        return concatenate(parts, self.tokenizer.pad_token_id)

    @torch.no_grad()
    def _generate(self, prompts: list[str], draws: Draws) -> Rollouts:
        encoded = self.tokenizer(prompts, return_tensors="pt", padding=True).to(self.model.device)
        ids, attention = encoded["input_ids"], encoded["attention_mask"]
        if ids.shape[1] + self.max_new_tokens > self.tokenizer.model_max_length:
            raise DataError(
                f"a prompt of {ids.shape[1]} tokens and a response of up to {self.max_new_tokens} are longer than the model's window of "
                f"{self.tokenizer.model_max_length}.",
                "Lower prompts.max_tokens or max_new_tokens, or choose a model with a longer window.",
            )
        stops = StopStrings(self.tokenizer, self.stop)
        sampler = decode if decodes(self.model) else _generate
        answers = sampler(self.model, ids, attention.bool(), self._sampling(), stops, draws=draws)
        ends = set(self._end_ids())
        lengths = [_length(row, ends, stops.found.get(i)) for i, row in enumerate(answers.tolist())]
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

    def _texts(self, prompts: Tensor, responses: list[Tensor]) -> list[str]:
        """What each response adds to its prompt's text; alone, many tokenizers would lose its leading space."""
        before, after = prompts.tolist(), [row.tolist() for row in responses]
        both = [prompt + response for prompt, response in zip(before, after, strict=True)]
        texts = [self.tokenizer.batch_decode(ids, skip_special_tokens=True) for ids in (before, both, after)]
        return [
            cut(whole[len(prompt) :] if whole.startswith(prompt) else alone, self.stop)
            for prompt, whole, alone in zip(*texts, strict=True)
        ]

    def _sampling(self) -> Sampling:
        return Sampling(
            self.max_new_tokens, self.min_new_tokens, self.temperature, self.top_p, self._end_ids(), self.tokenizer.pad_token_id
        )  # fmt: skip

    def _end_ids(self) -> tuple[int, ...]:
        """The tokenizer's end token and those the model's generation config adds (chat models end turns with others)."""
        configured = getattr(getattr(self.model, "generation_config", None), "eos_token_id", None)
        return tuple(sorted({self.tokenizer.eos_token_id, *_as_list(configured)}))


def generate_texts(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    *,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    processes: Processes = ALONE,
    **settings: Any,
) -> list[Response]:
    """Texts alone, from a seed that leaves the caller's random state as it was; ``settings`` as :class:`TransformersGenerator`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = TransformersGenerator(model, tokenizer, **settings)
        rollouts = generate(generator, prompts, processes, progress)
    lengths = rollouts.response_mask.sum(1).tolist()
    return [Response(*row) for row in zip(rollouts.responses, lengths, rollouts.finished.tolist(), strict=True)]


def _generate(model: Any, ids: Tensor, mask: Tensor, sampling: Sampling, stops: StopStrings, *, draws: Draws) -> Tensor:
    """The same as :func:`decode` for models that remember in ways of their own, by their ``generate``."""
    from transformers import GenerationConfig

    settings = GenerationConfig(
        max_new_tokens=sampling.max_new_tokens, min_new_tokens=sampling.min_new_tokens or None,
        eos_token_id=list(sampling.ends), pad_token_id=sampling.pad, do_sample=False,
    )  # fmt: skip
    width, rows, uniform = ids.shape[1], range(len(ids)), draws.uniform.to(ids.device)

    def only_the_drawn(so_far: Tensor, scores: Tensor) -> Tensor:
        chosen, finite = draw(scores.float(), uniform[so_far.shape[1] - width], sampling.temperature, sampling.top_p)
        if not bool(finite.all()):
            raise not_finite_error("a logit is not finite")
        return torch.full_like(scores, -torch.inf).scatter(1, chosen.unsqueeze(1), 0.0)

    def stopped(so_far: Tensor, scores: Any, **options: Any) -> Tensor:
        stops.look(rows, so_far[:, width:])
        return torch.tensor([row in stops.found for row in rows], device=ids.device)

    found: Tensor = model.generate(
        input_ids=ids, attention_mask=mask.long(), generation_config=settings,
        logits_processor=[only_the_drawn], stopping_criteria=[stopped],
    )  # fmt: skip
    return found[:, width:]


def _length(tokens: list[int], ends: set[int], stopped: int | None) -> tuple[int, bool]:
    """Tokens up to and with the end, and whether there was one."""
    end = next((i + 1 for i, token in enumerate(tokens) if token in ends), None)
    ended = [n for n in (end, stopped) if n is not None]
    return (min(ended), True) if ended else (len(tokens), False)


def _as_list(value: Any) -> list[int]:
    return [] if value is None else list(value) if isinstance(value, (list, tuple, set)) else [value]
