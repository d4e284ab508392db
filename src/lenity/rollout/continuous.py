"""Generation with transformers' continuous batching over a paged cache: the next request takes the place of a finished one at once.

The engine runs the policy itself with its adapter, so that no weights are merged or sent. A response is cut at a stop string, but
decoded until its own end. Prefix sharing and CUDA graphs are not used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessor
from transformers.utils import is_flash_attn_2_available

from lenity.data.conversation import Prompt
from lenity.distributed.memory import ran_out
from lenity.errors import EngineError, LenityError
from lenity.models import probe
from lenity.rollout.answers import asked, from_lists
from lenity.rollout.batch import Rollouts
from lenity.rollout.decoding import Sampling, not_finite_error
from lenity.rollout.draws import Draws

STEP = 1024  # prompt tokens per prefill step
NO_PROBABILITIES = (
    "probability tensor contains",
    "device-side assert",
)  # errors of torch.multinomial on a CPU and on CUDA


@dataclass(frozen=True)
class ContinuousGenerator:
    """An engine that samples from ``model``, ``at_once`` responses at a time.

    Args:
        model: a ``PeftModel``; put it in evaluation mode first.
        tokenizer: pads on the left.
        sampling: the sampling settings.
        stop: stop strings: a response ends with the token that completes one of these; its text ends before it.
        at_once: most responses in the cache.
    """

    model: Any
    tokenizer: Any
    sampling: Sampling
    stop: tuple[str, ...]
    at_once: int
    copies = False

    @property
    def max_new_tokens(self) -> int:
        """The length of the longest response, in tokens."""
        return self.sampling.max_new_tokens

    def generate(
        self, prompts: Sequence[Prompt | str], progress: Callable[[int], None] | None = None, draws: Draws | None = None
    ) -> Rollouts:
        """One response per prompt, in order, with the log-probs of the distribution that each token was sampled from.

        The same random state gives the same responses, because all requests are added before the first step.

        Raises:
            DataError: a prompt leaves no room for the longest response in the model's window.
            NumericalError: a distribution was not finite.
        """
        settings = self.sampling
        requests = asked(self.tokenizer, prompts, self.model.device, settings.max_new_tokens)
        outputs = self._served(requests.rows)
        answers, logprobs = [output.generated_tokens for output in outputs], [output.logprobs for output in outputs]
        if progress is not None:
            progress(len(answers))
        return from_lists(requests, answers, logprobs, settings.ends, self.stop)

    def check(self) -> None:
        """Compare the log-probs of a few greedy responses with those of a forward pass over each text alone.

        Raises:
            EngineError: the log-probs differ, or the engine does not run this model.
        """
        model = self.model.get_base_model()
        greedy = replace(self.sampling, max_new_tokens=probe.STEPS, min_new_tokens=0, temperature=0.0, top_p=1.0)
        rows = [row.tolist() for row in probe.rows(model, (probe.SHORT, probe.LONG, probe.SHORT + 4))]
        with torch.random.fork_rng(), probe.evaluating(model):
            outputs = replace(self, sampling=greedy, at_once=2)._served(rows)
            errors = torch.cat([_errors(model, row, output) for row, output in zip(rows, outputs, strict=True)])
        if not (error := float(errors.square().mean().sqrt())) <= probe.limit(model.dtype):
            raise EngineError(
                f"rollout.engine is continuous, whose responses differ from those of {type(model).__name__} itself "
                f"(relative difference of log-probs {error:.2g}).",
                "Use rollout.engine lenity.",
            )

    def _served(self, rows: list[list[int]]) -> list[Any]:
        model = self.model.get_base_model()
        with _explained(model), _attention(model):
            return self._served_by(model, rows)

    def _served_by(self, model: Any, rows: list[list[int]]) -> list[Any]:
        manager = model.init_continuous_batching(self._choices(), self._cache(len(rows), max(map(len, rows))))
        if self.sampling.min_new_tokens:
            processors = manager.logit_processor
            processors.logits_processor.append(NoEndYet(self.sampling))
            processors.tensors_required += 1
            processors.do_processing = True
        names = manager.add_requests(rows, max_new_tokens=self.sampling.max_new_tokens)
        manager.start()
        results: dict[str, Any] = {}
        try:
            while len(results) < len(names) and manager.is_running():
                if (output := manager.get_result(timeout=1)) is not None:
                    results[output.request_id] = output
        finally:
            manager.stop(block=True, hard_stop=len(results) < len(names))
            manager.destroy()
        fatal = manager.background_thread_status.fatal_error
        if isinstance(fatal, RuntimeError):  # out of memory, non-finite probabilities, or wrong shapes
            raise fatal
        while (output := manager.get_result(timeout=0)) is not None:
            results[output.request_id] = output
        if failed := [
            results[name].error if name in results else "no answer" for name in names if not _whole(results.get(name))
        ]:
            raise EngineError(
                f"continuous batching left {len(failed)} of {len(names)} requests without a response ({_first_line(failed[0])}).",
                "Use rollout.engine lenity, or another release of transformers.",
            ) from fatal
        return [results[name] for name in names]

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
        """The settings of a cache with one page per response, each long enough for the longest, so that no request is evicted."""
        together = min(count, self.at_once)
        page = -(-(longest + self.sampling.max_new_tokens) // 16) * 16
        return ContinuousBatchingConfig(
            page_size=page, num_blocks=together, max_batch_tokens=max(together, STEP), max_requests_per_batch=together,
            max_blocks_per_request=0, allow_block_sharing=False, use_async_batching=False, use_cuda_graph=False,
            return_logprobs=True, auto_switch_to_flash=False,
        )  # fmt: skip


class NoEndYet(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]  # transformers has no types
    """A logits processor that forbids end tokens before ``min_new_tokens``; transformers' own assumes one length for the batch."""

    supported_kwargs: dict[str, type] = {}  # noqa: RUF012
    ignored_kwargs = ()

    def __init__(self, sampling: Sampling) -> None:
        self.ends, self.least = list(sampling.ends), sampling.min_new_tokens

    def fill_defaults(self, int32_tensor: Tensor) -> None:
        """Set all requests to not early."""
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> Tensor:
        """1 for requests that are early, with fewer than ``min_new_tokens`` tokens, and 0 for the others."""
        early = [request.state.generated_len() < self.least for request in requests_with_new_token]
        return torch.tensor(early, dtype=torch.int32)

    def __call__(self, scores: Tensor, tensor_arg: Tensor) -> Tensor:
        """The logits (N, V), with end tokens masked for early requests."""
        early = tensor_arg[: len(scores)].bool().unsqueeze(1)
        ends = torch.zeros_like(scores, dtype=torch.bool)
        ends[:, self.ends] = True
        return scores.masked_fill(ends & early, -torch.inf)


@contextmanager
def _attention(model: Any) -> Iterator[None]:
    """Give ``model`` an attention implementation for paged caches inside the block, and silence the engine's log, as errors are raised."""
    own, log = model.config._attn_implementation, logging.getLogger("ContinuousBatchingLogger")
    flash = model.device.type == "cuda" and model.dtype is torch.bfloat16 and is_flash_attn_2_available()
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        model.set_attn_implementation("flash_attention_2" if flash else "sdpa" if model._supports_sdpa else "eager")
        yield
    finally:
        model.set_attn_implementation(own)
        log.setLevel(level)


@contextmanager
def _explained(model: Any) -> Iterator[None]:
    """Convert exceptions of torch and transformers, except out-of-memory errors, into a ``LenityError`` with a remedy."""
    try:
        yield
    except Exception as error:
        if isinstance(error, LenityError) or ran_out(error):
            raise
        if isinstance(error, RuntimeError) and any(sign in str(error) for sign in NO_PROBABILITIES):
            raise not_finite_error(_first_line(error)) from error
        raise EngineError(
            f"rollout.engine is continuous, which does not run {type(model).__name__} ({_first_line(error)}).",
            "Use rollout.engine lenity.",
        ) from error


def _errors(model: Any, row: list[int], output: Any) -> Tensor:
    """The errors of the greedy tokens' log-probs, and their gaps to the likeliest token, in standard deviations of log-probs, (2T,)."""
    tokens = torch.tensor(output.generated_tokens, device=model.device)
    ids = torch.cat([torch.tensor(row, device=model.device), tokens])[None]
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, len(row) - 1 : -1]
    own: Tensor = logits.float().log_softmax(-1)
    chosen = own.gather(1, tokens.unsqueeze(1)).squeeze(1)
    return torch.cat([chosen - torch.tensor(output.logprobs).to(chosen), own.amax(1) - chosen]) / own.std()


def _first_line(error: Any) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _whole(output: Any) -> bool:
    return output is not None and output.error is None
