"""One module whose forward gives log-probs and values, so that DDP, FSDP and ZeRO see every parameter.

Rows begin at the first column, so that a causal model needs no mask and padding only follows what is read. Only response positions
reach the language-model head and the critic's: (B, T, vocabulary) never exists for padding or prompts.
"""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lenity.errors import ModelError
from lenity.models.critic import Heads, backbone_of

CHUNK = 2**24  # logits at once, 64 MiB in float32, a few of which exist together
WIDTHS, ROWS = (
    8,
    32,
)  # of what the trunk and the heads are given, in multiples: few shapes, since kernels are made for each


class Outputs(NamedTuple):
    """Per response token; 0 on padding."""

    logprobs: Float[Tensor, "B T"]
    entropy: Float[Tensor, "B T"] | None
    values: Float[Tensor, "B T K"] | None


class ActorCritic(nn.Module):
    """Policy and critic.

    Args:
        policy: a ``PeftModel``.
        heads: from hidden states to values.
        critic: the backbone of a separate critic; None where the heads read the policy's last hidden state.
        detach: keep the value loss from the policy's adapter.
        temperature: of sampling; log-probs are of the distribution that generated.
        compiled: compile the passes through the layers; all but their first ones, which take long, are then faster.
    """

    def __init__(
        self, policy: Any, heads: Heads, critic: Any = None, *,
        detach: bool = False, temperature: float = 1.0, compiled: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.policy, self.heads, self.critic = policy, heads, critic
        self.detach, self.temperature = detach, temperature
        self._states = torch.compile(_last_states, dynamic=True) if compiled else _last_states

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
        """Log-probs (nats) of the response tokens, and the critic's values before each.

        Args:
            prompt_ids: padded on the left.
            prompt_mask: True on real prompt tokens.
            response_ids: padded on the right.
            response_mask: True on real response tokens.
            reference: with the adapter off, and without values.
            entropy: also the entropy of each token's distribution, nats; without gradient.
        """
        ids, before = _aligned(prompt_ids, prompt_mask, response_ids, response_mask)
        tokens = ids.flatten()[before + 1]
        model = self.policy.get_base_model()
        adapter = self.policy.disable_adapter() if reference else contextlib.nullcontext()
        with adapter, self._precision(ids.device):
            states = self._states(backbone_of(model), ids).flatten(0, 1)[before]
            chosen, spread = self._token_logprobs(model, states, tokens, entropy)
        logprobs = _scatter(chosen, response_mask)
        found = None if spread is None else _scatter(spread, response_mask)
        if reference:
            return Outputs(logprobs, found, None)
        if self.critic is not None:
            with self._precision(ids.device):
                states = self._states(self.critic, ids).flatten(0, 1)[before]
        values = self.heads(states.detach() if self.detach else states)
        objectives = [_scatter(column, response_mask) for column in values.unbind(-1)]
        return Outputs(logprobs, found, torch.stack(objectives, -1))

    def _precision(self, device: torch.device) -> torch.autocast:
        """A bfloat16 model computes in it; its float32 adapter follows."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.policy.dtype is torch.bfloat16)

    def _token_logprobs(
        self, model: Any, states: Float[Tensor, "N H"], ids: Int[Tensor, " N"], entropy: bool
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"] | None]:
        """In chunks whose logits stay below ``CHUNK`` numbers; with gradients they are computed again in the backward pass."""
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


def logits_of(model: Any, states: Float[Tensor, "N H"]) -> Float[Tensor, "N V"]:
    """The language-model head as the model itself applies it, in float32."""
    logits: Tensor = model.get_output_embeddings()(states).float()
    config = model.config
    if scale := getattr(config, "logit_scale", None):
        logits = logits * scale
    if scale := getattr(config, "logits_scaling", None):
        logits = logits / scale
    if cap := getattr(config, "final_logit_softcapping", None):
        logits = cap * torch.tanh(logits / cap)
    return logits


@torch.no_grad()
def check_head(policy: Any) -> None:
    """Compare with the model's own logits on a short sequence.

    Raises:
        ModelError: the model does something to its logits that :func:`logits_of` does not know.
    """
    model = policy.get_base_model()
    model.eval()
    count = min(5, int(model.config.get_text_config().vocab_size))
    ids = torch.arange(count, device=next(model.parameters()).device)[None]
    own = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].float()
    ours = logits_of(model, _last_states(backbone_of(model), ids)[0])
    error = (own - ours).abs().max().item() / max(own.abs().max().item(), 1e-6)
    if not error < 0.05:  # bfloat16 differs in the third digit; a missing scale in the first
        raise ModelError(
            f"{type(model).__name__} changes its logits after the head in a way Lenity does not know "
            f"(relative difference {error:.2g}); its log-probs would be wrong.",
            "Use a model whose logits are those of its head, scaled or capped as its configuration says.",
        )


def _aligned(
    prompt_ids: Int[Tensor, "B P"],
    prompt_mask: Bool[Tensor, "B P"],
    response_ids: Int[Tensor, "B T"],
    response_mask: Bool[Tensor, "B T"],
) -> tuple[Int[Tensor, "B W"], Int[Tensor, " N"]]:
    """Prompt and response from the first column on, and the places, row after row, before each response token.

    To a multiple of ``ROWS`` the first place of all stands in for the missing ones; nobody reads what comes of them.
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


def _last_states(backbone: Any, ids: Tensor) -> Tensor:
    states: Tensor = backbone(input_ids=ids, use_cache=False).last_hidden_state
    return states


def _scatter(values: Float[Tensor, " N"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    return values.new_zeros(mask.shape).masked_scatter(mask, values)
