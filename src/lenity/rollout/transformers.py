"""Generation with a model of transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lenity.data.conversation import Prompt
from lenity.data.human_assistant import HUMAN, as_prompt
from lenity.data.tokens import prompt_ids
from lenity.distributed.processes import ALONE, Processes
from lenity.models.probe import STEPS, Batching, batching_of
from lenity.rollout.answers import asked, assembled, end_ids
from lenity.rollout.base import generate
from lenity.rollout.batch import Rollouts, concatenate
from lenity.rollout.decoding import Sampling, decode, decodes, draw, not_finite_error
from lenity.rollout.draws import Draws
from lenity.rollout.stops import StopStrings


@dataclass(frozen=True)
class Response:
    """One generated response."""

    text: str
    tokens: int
    finished: bool


@dataclass(frozen=True)
class TransformersGenerator:
    """An engine that samples from ``model`` in batches.

    Args:
        model: a causal language model; put it in evaluation mode first.
        tokenizer: pads on the left.
        max_new_tokens: length of the longest response.
        min_new_tokens: number of tokens before which no end token is sampled.
        temperature: sampling temperature; 0 decodes greedily.
        top_p: nucleus: the likeliest tokens that together reach this probability.
        stop: stop strings: a response ends with the token that completes one of these; its text ends before it.
        batch_size: responses per batch.
    """

    model: Any
    tokenizer: Any
    max_new_tokens: int
    min_new_tokens: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    stop: tuple[str, ...] = (HUMAN,)
    batch_size: int = 128
    copies = False

    def generate(
        self, prompts: Sequence[Prompt | str], progress: Callable[[int], None] | None = None, draws: Draws | None = None
    ) -> Rollouts:
        """One response per prompt, in order.

        Raises:
            DataError: a prompt leaves no room for the longest response in the model's window.
        """
        draws = Draws.of(len(prompts), self.max_new_tokens) if draws is None else draws
        order, parts, all_prompts = [], [], [as_prompt(prompt) for prompt in prompts]
        for rows in self._batches(all_prompts):
            parts.append(self._generate([all_prompts[row] for row in rows], draws[rows]))
            order += rows
            if progress is not None:
                progress(len(rows))
        rollouts = concatenate(parts, self.tokenizer.pad_token_id)
        if order == list(range(len(order))):
            return rollouts
        return rollouts.select(
            torch.tensor(order, device=rollouts.response_ids.device).argsort()
        )  # in the order of the prompts

    def _batches(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """The rows of each batch: neighbours, or prompts of equal length if padding changes the model's responses."""
        groups, size = [list(range(len(prompts)))], self.batch_size
        if min(len(prompts), size) > 1 and (batching := self.batching()) != "mixed":
            lengths = [len(ids) for ids in prompt_ids(self.tokenizer, [prompt.text for prompt in prompts])]
            groups = [[row for row in groups[0] if lengths[row] == length] for length in sorted(set(lengths))]
            size = 1 if batching == "single" else size
        return [group[start : start + size] for group in groups for start in range(0, len(group), size)]

    def batching(self) -> Batching:
        """Which prompts may share a batch, see :func:`lenity.models.probe.batching_of`."""

        def sample(ids: Tensor, mask: Tensor) -> Tensor:
            settings = replace(self.sampling(), max_new_tokens=STEPS, min_new_tokens=STEPS, temperature=0.0)
            draws = Draws(torch.zeros(STEPS, len(ids), dtype=torch.float64))
            return self._sampler(self.model, ids, mask, settings, StopStrings(self.tokenizer, ()), draws=draws)

        return batching_of(self.model, self.tokenizer.pad_token_id, sample)

    @torch.no_grad()
    def _generate(self, prompts: list[Prompt], draws: Draws) -> Rollouts:
        requests = asked(self.tokenizer, prompts, self.model.device, self.max_new_tokens)
        stops, sampling = StopStrings(self.tokenizer, self.stop, requests.rows), self.sampling()
        answers = self._sampler(self.model, requests.ids, requests.mask, sampling, stops, draws=draws)
        return assembled(requests, list(answers), sampling.ends, stops)

    @property
    def _sampler(self) -> Callable[..., Tensor]:
        return decode if decodes(self.model) else _generate

    def sampling(self) -> Sampling:
        """The sampling settings, with the model's end tokens and padding token."""
        return Sampling(
            self.max_new_tokens, self.min_new_tokens, self.temperature, self.top_p,
            end_ids(self.model, self.tokenizer), self.tokenizer.pad_token_id,
        )  # fmt: skip


def generate_texts(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt | str],
    *,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    processes: Processes = ALONE,
    **settings: Any,
) -> list[Response]:
    """The responses as texts, from ``seed``; the caller's random state is not changed. ``settings`` as :class:`TransformersGenerator`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = TransformersGenerator(model, tokenizer, **settings)
        rollouts = generate(generator, prompts, processes, progress)
    lengths = rollouts.response_mask.sum(1).tolist()
    return [Response(*row) for row in zip(rollouts.responses, lengths, rollouts.finished.tolist(), strict=True)]


def _generate(model: Any, ids: Tensor, mask: Tensor, sampling: Sampling, stops: StopStrings, *, draws: Draws) -> Tensor:
    """The responses as of :func:`decode`, by the model's own ``generate``, for models whose cache :func:`decode` does not support."""
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

    sequences: Tensor = model.generate(
        input_ids=ids, attention_mask=mask.long(), generation_config=settings,
        logits_processor=[only_the_drawn], stopping_criteria=[stopped],
    )  # fmt: skip
    return sequences[:, width:]
