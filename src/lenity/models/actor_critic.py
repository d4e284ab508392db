"""One module whose forward returns log-probs and values, so that DDP, FSDP and ZeRO see every parameter.

Rows are shifted to the first column: padding then only follows a text, and a causal model needs no attention mask. Only response
positions are passed to the language-model head and the critic's heads; logits of prompts and padding are never computed.
"""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lenity.distributed.memory import ran_out
from lenity.errors import ModelError
from lenity.models import probe
from lenity.models.critic import Heads
from lenity.models.logits import backbone_of, logits_of, replaced_backbone

CHUNK = 2**24  # maximum of logits at once, 64 MiB in float32; a few such tensors exist at the same time
WIDTHS, ROWS = (
    8,
    32,
)  # widths of the backbone's input and rows of the heads' input are multiples of these: few shapes, few compiled kernels


class Outputs(NamedTuple):
    """The outputs per response token; 0 on padding."""

    logprobs: Float[Tensor, "B T"]
    entropy: Float[Tensor, "B T"] | None
    values: Float[Tensor, "B T K"] | None


class ActorCritic(nn.Module):
    """Policy and critic, or the policy alone.

    Args:
        policy: a ``PeftModel``.
        heads: the critic's heads, from hidden states to values; None without a critic.
        critic: the backbone of a separate critic; None if the heads read the policy's last hidden states.
        detach: whether the value loss gives no gradient to the policy's adapter.
        temperature: sampling temperature; log-probs are those of the distribution that was sampled from.
        compiled: compile the passes through the layers, which makes the first passes slow and the others faster.
    """

    def __init__(
        self, policy: Any, heads: Heads | None, critic: Any = None, *,
        detach: bool = False, temperature: float = 1.0, compiled: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.policy, self.heads, self.critic = policy, heads, critic
        self.detach, self.temperature = detach, temperature
        self._states = torch.compile(last_states, dynamic=True) if compiled else last_states

    def forward(
        self,
        prompt_ids: Int[Tensor, "B P"],
        prompt_mask: Bool[Tensor, "B P"],
        response_ids: Int[Tensor, "B T"],
        response_mask: Bool[Tensor, "B T"],
        *,
        reference: bool = False,
        entropy: bool = False,
    ) -> Outputs:
        """The log-probs (nats) of the response tokens, and the critic's value before each token if there is a critic.

        Args:
            prompt_ids: padded on the left.
            prompt_mask: True on real prompt tokens.
            response_ids: padded on the right.
            response_mask: True on real response tokens.
            reference: switch the adapter off, and compute no values.
            entropy: also compute the entropy of each token's distribution, nats; without gradient.
        """
        ids, before = _aligned(prompt_ids, prompt_mask, response_ids, response_mask)
        tokens = ids.flatten()[before + 1]
        model = self.policy.get_base_model()
        adapter = self.policy.disable_adapter() if reference else contextlib.nullcontext()
        with adapter, self._precision(ids.device):
            states = self._states(backbone_of(model), ids).flatten(0, 1)[before]
            chosen, spread = self._token_logprobs(model, states, tokens, entropy)
        logprobs = _scatter(chosen, response_mask)
        entropies = None if spread is None else _scatter(spread, response_mask)
        if reference or self.heads is None:
            return Outputs(logprobs, entropies, None)
        if self.critic is not None:
            with self._precision(ids.device):
                states = self._states(self.critic, ids).flatten(0, 1)[before]
        values = self.heads(states.detach() if self.detach else states)
        objectives = [_scatter(column, response_mask) for column in values.unbind(-1)]
        return Outputs(logprobs, entropies, torch.stack(objectives, -1))

    def _precision(self, device: torch.device) -> torch.autocast:
        """The autocast context: with a bfloat16 model, its float32 adapter computes in bfloat16 too."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.policy.dtype is torch.bfloat16)

    def _token_logprobs(
        self, model: Any, states: Float[Tensor, "N H"], ids: Int[Tensor, " N"], entropy: bool
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"] | None]:
        """Log-probs and entropies, in chunks of at most ``CHUNK`` logits, which the backward pass recomputes."""
        size = max(1, CHUNK // int(model.config.get_text_config().vocab_size))
        if len(states) <= size:
            return self._distributions(model, states, ids, entropy)
        parts = [
            checkpoint(self._distributions, model, some, chosen, entropy, use_reentrant=False)
            for some, chosen in zip(torch.split(states, size), torch.split(ids, size), strict=True)
        ]
        logprobs, spreads = (list(found) for found in zip(*parts, strict=True))
        return torch.cat(logprobs), torch.cat(spreads) if entropy else None

    def _distributions(
        self, model: Any, states: Float[Tensor, "N H"], ids: Int[Tensor, " N"], entropy: bool
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"] | None]:
        distribution = (logits_of(model, states) / self.temperature).log_softmax(-1)
        spread = None
        if entropy:
            with torch.no_grad():
                spread = -(distribution.exp() * distribution).sum(-1)
        return distribution.gather(-1, ids.unsqueeze(-1)).squeeze(-1), spread


@torch.no_grad()
def check_head(policy: Any) -> float:
    """The largest difference (nats) between the model's own log-probs and those that training computes, on short rows.

    Raises:
        ModelError: they differ; or a row's log-probs change if other tokens follow the row or other rows are in its batch.
    """
    model = policy.get_base_model().eval()
    rows = probe.rows(model, (probe.SHORT, probe.LONG, probe.LONG))
    pairs = [_own_and_ours(model, row) for row in rows]
    gap = max(_nats(own, ours) for own, ours in pairs)
    if not gap <= (1e-4 if model.dtype is torch.float32 else 1e-2):
        raise _head_error(model, f"log-probs of training would differ from its own by up to {gap:.2g} nats")
    difference, allowed = _followed(model, rows, [own for own, _ in pairs])
    if not difference <= allowed:
        raise ModelError(
            f"the log-probs of {type(model).__name__} depend on the tokens that follow or on the batch's other rows "
            f"(relative difference {difference:.2g}), so that those of training would be wrong.",
            "Choose a causal model for policy.model.",
        )
    return gap


def _own_and_ours(model: Any, ids: Int[Tensor, " T"]) -> tuple[Float[Tensor, "T V"], Float[Tensor, "T V"]]:
    """The model's own logits, and those that :func:`logits_of` computes from the same hidden states."""
    states: list[Tensor] = []

    def recorded(backbone: Any, *arguments: Any, **options: Any) -> Any:
        output = backbone(*arguments, **options)
        states.append(output[0])
        return output

    with replaced_backbone(model, recorded):
        own = model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None]).logits[0].float()
    try:
        return own, logits_of(model, states[-1][0]).expand_as(own)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if ran_out(error):
            raise
        raise _head_error(model, str(error)) from error


def _followed(model: Any, rows: list[Tensor], alone: list[Tensor]) -> tuple[float, float]:
    """The relative difference between log-probs of rows in a batch, one followed by other tokens, and of each row alone.

    The second number is the allowed difference, from the rounding measured between batches.
    """
    short, long, other = rows
    pair = torch.stack([long, other])
    noise = probe.apart(alone[1], model(input_ids=pair, attention_mask=torch.ones_like(pair)).logits[0])
    states = last_states(backbone_of(model), torch.stack([torch.cat([short, other[len(short) :]]), long]))
    differences = [probe.apart(own, logits_of(model, row[: len(own)])) for own, row in zip(alone, states, strict=False)]
    rounding = probe.limit(model.dtype)
    return max(differences), min(max(rounding, 4 * noise), 4 * rounding)


def _nats(one: Float[Tensor, "T V"], other: Float[Tensor, "T V"]) -> float:
    one, other = one.log_softmax(-1), other.log_softmax(-1)
    return float((one - other).abs().where(one != other, 0.0).max())  # a masked token is -inf in both


def _head_error(model: Any, why: str) -> ModelError:
    return ModelError(
        f"{type(model).__name__} does not compute its logits from its last hidden states alone: {why}.",
        "Choose another model for policy.model.",
    )


def _aligned(
    prompt_ids: Int[Tensor, "B P"],
    prompt_mask: Bool[Tensor, "B P"],
    response_ids: Int[Tensor, "B T"],
    response_mask: Bool[Tensor, "B T"],
) -> tuple[Int[Tensor, "B W"], Int[Tensor, " N"]]:
    """Prompts and responses shifted to the first column, and the flat index of the position before each response token.

    The indices are padded with 0 to a multiple of ``ROWS``; the results at these are ignored.
    """
    ids = torch.cat([prompt_ids, response_ids], 1)
    prompts, responses = prompt_mask.sum(1).clamp(min=1), response_mask.sum(1)
    longest = int((prompts + responses).max())
    columns = torch.arange(min(-(-longest // WIDTHS) * WIDTHS, ids.shape[1]), device=ids.device)
    first = prompt_ids.shape[1] - prompts
    predicted = columns - prompts.unsqueeze(1) + 1
    before = ((predicted >= 0) & (predicted < responses.unsqueeze(1))).flatten().nonzero().squeeze(1)
    ids = ids.gather(1, (first.unsqueeze(1) + columns).clamp(max=ids.shape[1] - 1))
    return ids, torch.nn.functional.pad(before, (0, -len(before) % ROWS))


def last_states(backbone: Any, ids: Tensor) -> Tensor:
    """The last hidden states, (B, W, H), of rows that begin at the first column, (B, W); a causal model needs no mask for them."""
    states: Tensor = backbone(input_ids=ids, use_cache=False).last_hidden_state
    return states


def _scatter(values: Float[Tensor, " N"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    return values.new_zeros(mask.shape).masked_scatter(mask, values)
