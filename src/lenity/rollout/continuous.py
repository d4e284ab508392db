"""transformers' continuous batching: a request that has ended makes room for the next at once, over a paged cache.

It runs the policy itself with its adapter, so that no weights are merged or sent. A response that meets a stop string is cut there
but decoded to its end. Not here: its prefix sharing and CUDA graphs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessor
from transformers.utils import is_flash_attn_2_available

from lenity.batch import Rollouts
from lenity.errors import EngineError
from lenity.rollout.answers import asked, from_lists
from lenity.rollout.decoding import Sampling, not_finite_error
from lenity.rollout.draws import Draws

STEP = 1024  # prompt tokens that are read at once
NO_PROBABILITIES = ("probability tensor contains", "device-side assert")  # of torch.multinomial, on a CPU and on CUDA


@dataclass(frozen=True)
class ContinuousGenerator:
    """Samples from ``model``, ``at_once`` responses at a time.

    Args:
        model: a ``PeftModel``; put it in evaluation mode first.
        tokenizer: pads on the left.
        sampling: how tokens are chosen.
        stop: a response ends with the token that completes one of these; its text ends before it.
        at_once: responses in the cache.
    """

    model: Any
    tokenizer: Any
    sampling: Sampling
    stop: tuple[str, ...]
    at_once: int
    copies = False

    @property
    def max_new_tokens(self) -> int:
        """Of the longest response."""
        return self.sampling.max_new_tokens

    def generate(
        self, prompts: Sequence[str], progress: Callable[[int], None] | None = None, draws: Draws | None = None
    ) -> Rollouts:
        """One response a prompt, in order, with the log-probs of the distribution that each token was drawn from.

        The same random state gives the same responses: all requests are there before the first step.

        Raises:
            DataError: a prompt leaves no room for the longest response in the model's window.
            NumericalError: a distribution was not finite.
        """
        settings = self.sampling
        given = asked(self.tokenizer, list(prompts), self.model.device, settings.max_new_tokens)
        with _explained(), _attention(self.model.get_base_model()) as model:
            outputs = self._served(model, given.rows)
        answers, logprobs = [output.generated_tokens for output in outputs], [output.logprobs for output in outputs]
        if progress is not None:
            progress(len(answers))
        return from_lists(given, answers, logprobs, settings.ends, self.stop)

    def _served(self, model: Any, rows: list[list[int]]) -> list[Any]:
        try:
            manager = model.init_continuous_batching(self._choices(), self._cache(len(rows), max(map(len, rows))))
        except ValueError as error:
            raise EngineError(
                f"rollout.engine is continuous, which does not run {type(model).__name__} ({error}).",
                "Use rollout.engine lenity.",
            ) from error
        if self.sampling.min_new_tokens:
            processors = manager.logit_processor
            processors.logits_processor.append(NoEndYet(self.sampling))
            processors.tensors_required += 1
            processors.do_processing = True
        names = manager.add_requests(rows, max_new_tokens=self.sampling.max_new_tokens)
        manager.start()
        found: dict[str, Any] = {}
        try:
            while len(found) < len(names) and manager.is_running():
                if (output := manager.get_result(timeout=1)) is not None:
                    found[output.request_id] = output
        finally:
            manager.stop(block=True, hard_stop=len(found) < len(names))
            manager.destroy()
        fatal = manager.background_thread_status.fatal_error
        if isinstance(fatal, RuntimeError):  # of memory, or of probabilities
            raise fatal
        while (output := manager.get_result(timeout=0)) is not None:
            found[output.request_id] = output
        if failed := [
            found[name].error if name in found else "no answer" for name in names if not _whole(found.get(name))
        ]:
            raise EngineError(
                f"continuous batching left {len(failed)} of {len(names)} requests without a response ({failed[0]}).",
                "Use rollout.engine lenity, or another release of transformers.",
            ) from fatal
        return [found[name] for name in names]

    def _choices(self) -> GenerationConfig:
        settings = self.sampling
        choice: dict[str, Any] = {"do_sample": False}
        if settings.temperature > 0:
            choice = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
        return GenerationConfig(
            max_new_tokens=settings.max_new_tokens,
            eos_token_id=list(settings.ends),
            pad_token_id=settings.pad,
            **choice,
        )

    def _cache(self, count: int, longest: int) -> ContinuousBatchingConfig:
        """A page a response, as long as the longest can be, so that none has to give way to another."""
        together = min(count, self.at_once)
        page = -(-(longest + self.sampling.max_new_tokens) // 16) * 16
        return ContinuousBatchingConfig(
            page_size=page, num_blocks=together, max_batch_tokens=max(together, STEP), max_requests_per_batch=together,
            max_blocks_per_request=0, allow_block_sharing=False, use_async_batching=False, use_cuda_graph=False,
            return_logprobs=True, auto_switch_to_flash=False,
        )  # fmt: skip


class NoEndYet(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]  # transformers has no types
    """No end token before so many; transformers' own processor knows one length for the whole batch alone."""

    supported_kwargs: dict[str, type] = {}  # noqa: RUF012
    ignored_kwargs = ()

    def __init__(self, sampling: Sampling) -> None:
        self.ends, self.least = list(sampling.ends), sampling.min_new_tokens

    def fill_defaults(self, int32_tensor: Tensor) -> None:
        """No request is early unless it says so."""
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> Tensor:
        """Which requests are early, as integers."""
        early = [request.state.generated_len() < self.least for request in requests_with_new_token]
        return torch.tensor(early, dtype=torch.int32)

    def __call__(self, scores: Tensor, tensor_arg: Tensor) -> Tensor:
        """The logits (N, V), without the ends where a request is early."""
        early = tensor_arg[: len(scores)].bool().unsqueeze(1)
        ends = torch.zeros_like(scores, dtype=torch.bool)
        ends[:, self.ends] = True
        return scores.masked_fill(ends & early, -torch.inf)


@contextmanager
def _attention(model: Any) -> Iterator[Any]:
    """``model`` with an attention that knows pages, and with its own again afterwards; an error is raised, not logged."""
    own, log = model.config._attn_implementation, logging.getLogger("ContinuousBatchingLogger")
    flash = model.device.type == "cuda" and model.dtype is torch.bfloat16 and is_flash_attn_2_available()
    level = log.level
    log.setLevel(logging.CRITICAL)
    model.set_attn_implementation("flash_attention_2" if flash else "sdpa" if model._supports_sdpa else "eager")
    try:
        yield model
    finally:
        model.set_attn_implementation(own)
        log.setLevel(level)


@contextmanager
def _explained() -> Iterator[None]:
    """Turns torch's refusal to draw from what is no distribution into an error that says what to do."""
    try:
        yield
    except RuntimeError as error:
        if not any(sign in str(error) for sign in NO_PROBABILITIES):
            raise
        raise not_finite_error(str(error).splitlines()[0]) from error


def _whole(output: Any) -> bool:
    return output is not None and output.error is None
