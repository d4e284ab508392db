"""Short passes at start that test whether a model gives a row the same log-probs alone, in a batch and with left padding.

The global random state is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lenity.distributed.memory import ran_out
from lenity.errors import EngineError, LenityError

SHORT, LONG, STEPS = 3, 13, 4  # tokens per short row, long row and response
Batching = Literal["mixed", "equal", "single"]  # batches of prompts of any lengths, of equal lengths, or of one prompt
_batching: WeakKeyDictionary[Any, Batching] = WeakKeyDictionary()  # by model

Sample = Callable[[Int[Tensor, "B P"], Bool[Tensor, "B P"]], Int[Tensor, "B T"]]


def limit(dtype: torch.dtype) -> float:
    """The maximum difference, see :func:`apart`, due to rounding alone; attention to padding gives one of about 1."""
    return 1e-4 if dtype is torch.float32 else 5e-2


def apart(first: Float[Tensor, "*B V"], second: Float[Tensor, "*B V"]) -> float:
    """The root mean square difference between the log-probs of two sets of logits, in standard deviations of the first."""
    one, two = first.float().log_softmax(-1), second.float().log_softmax(-1)
    there = torch.minimum(one, two) > -1e4  # some models mask a part of the vocabulary
    one, two = one[there], two[there]
    return float((one - two).square().mean().sqrt() / one.std().clamp(min=1e-9))


def rows(model: Any, lengths: Sequence[int]) -> list[Tensor]:
    """One row of token ids per length, (length,) each, the same in every call and without the configuration's special tokens."""
    configs = (model.config, model.config.get_text_config())
    named = [value for config in configs for name, value in config.to_dict().items() if "token_i" in name]
    special = {i for value in named for i in (value if isinstance(value, list) else [value])}
    window = getattr(configs[1], "max_position_embeddings", None) or LONG + STEPS
    lengths = [min(length, max(window - STEPS, 1)) for length in lengths]
    vocabulary = torch.arange(int(configs[1].vocab_size))
    plain = vocabulary[[i not in special for i in vocabulary.tolist()]]
    chosen = plain[torch.randint(len(plain), (sum(lengths),), generator=torch.Generator().manual_seed(0))]
    return list(torch.split(chosen.to(next(model.parameters()).device), lengths))


def width_of(backbone: Any) -> int:
    """The width of the last hidden states; it differs from ``hidden_size`` in models that project them."""
    with evaluating(backbone):
        ids = torch.zeros(1, 1, dtype=torch.long, device=next(backbone.parameters()).device)
        return int(backbone(input_ids=ids, use_cache=False)[0].shape[-1])


@contextmanager
def evaluating(model: Any) -> Iterator[Any]:
    """A context without dropout and gradients; afterwards each module has its previous mode."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield model
    finally:
        for part, training in modes:
            part.training = training


def batching_of(model: Any, pad: int, sample: Sample) -> Batching:
    """The batches in which ``model`` samples from the same distribution as for each prompt alone; tested once per model.

    The logits of each sampled token are compared with those of a plain pass over the same prompt and response alone.

    Args:
        model: a causal model of transformers, or a ``PeftModel`` of one.
        pad: id of the padding token.
        sample: samples responses of ``STEPS`` tokens to prompts that are padded on the left.

    Raises:
        EngineError: the model cannot generate, or samples from another distribution even for a single prompt.
    """
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    if inner not in _batching:
        short, other, long = rows(inner, (SHORT, SHORT, LONG))
        with evaluating(inner), _generating(inner):
            single, equal, mixed = (
                _error(inner, batch, pad, sample) for batch in ([short], [short, other], [short, long])
            )
        rounding = limit(inner.dtype)
        if not single <= 4 * rounding:
            raise EngineError(
                f"{type(inner).__name__} generates token by token from another distribution than that of a pass over the whole text "
                f"(relative difference of log-probs {single:.2g}).",
                "Choose another model for policy.model, or another release of transformers.",
            )
        allowed = max(rounding, 4 * single)
        _batching[inner] = "mixed" if mixed <= allowed else "equal" if equal <= allowed else "single"
    return _batching[inner]


@contextmanager
def _generating(model: Any) -> Iterator[None]:
    """A context that turns any error of a model that cannot generate, except out of memory, into an ``EngineError`` with a remedy."""
    try:
        yield
    except Exception as error:
        if isinstance(error, LenityError) or ran_out(error):
            raise
        reason = (str(error).strip().splitlines() or [""])[0]
        raise EngineError(
            f"{type(model).__name__} cannot generate text ({type(error).__name__}: {reason}).",
            "Choose another model for policy.model, or another release of transformers.",
        ) from error


def _error(model: Any, batch: list[Tensor], pad: int, sample: Sample) -> float:
    """The difference, see :func:`apart`, between the logits that the first row's response was sampled from and those of the row alone."""
    width, row = max(map(len, batch)), batch[0]
    ids = torch.stack([torch.nn.functional.pad(each, (width - len(each), 0), value=pad) for each in batch])
    lengths = torch.tensor([len(each) for each in batch], device=ids.device)
    mask = torch.arange(width, device=ids.device) >= width - lengths.unsqueeze(1)
    used: list[Tensor] = []
    hook = model.register_forward_hook(lambda *passed: used.append(passed[-1].logits[0, -1].float().clone()))
    try:
        answer = sample(ids, mask)[0]
    finally:
        hook.remove()
    text = torch.cat([row, answer])[None]
    own = model(input_ids=text, attention_mask=torch.ones_like(text)).logits[0, len(row) - 1 : -1]
    return apart(own, torch.stack(used))
