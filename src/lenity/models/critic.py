"""The multi-head critic V(s) in R^K."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from lenity.errors import ModelError
from lenity.models.logits import backbone_of
from lenity.models.recompute import recompute


class Heads(nn.Module):
    """An MLP from hidden states to one value per objective; values start at 0."""

    def __init__(self, width: int, hidden: int, objectives: int) -> None:
        super().__init__()
        last = nn.Linear(hidden, objectives)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), last)

    def forward(self, states: Float[Tensor, "*B H"]) -> Float[Tensor, "*B K"]:
        """The values, in float32 for states of any dtype."""
        values: Tensor = self.mlp(states.float())
        return values


def separate_backbone(model: str | None, policy: Any, config: Any, device: Any, *, sharded: bool = False) -> Any:
    """The decoder of a separate critic with its own adapter, from ``model`` or a second copy of the policy's model.

    The other arguments are those of :func:`lenity.models.policy.load_policy`.

    Raises:
        ModelError: the vocabulary differs from the policy's, or the model cannot have the adapter.
    """
    from lenity.models.adapter import attach, within
    from lenity.models.policy import load_base

    base = load_base(
        config.model_copy(update={"model": model, "revision": None} if model else {}), device, sharded=sharded
    )
    expected = policy.get_input_embeddings().weight.shape[0]
    if (embeddings := base.get_input_embeddings().weight.shape[0]) != expected:
        raise ModelError(
            f"critic.model has {embeddings} token embeddings, but the policy, whose tokens it reads, has {expected}.",
            "Name a model with the policy's tokenizer, or leave critic.model out.",
        )
    decoder = backbone_of(base)
    backbone = attach(decoder, within(config.lora, base, decoder), task=None)
    if config.gradient_checkpointing:
        recompute(backbone)
    return backbone
