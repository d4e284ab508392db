"""Bytes that each part of a run holds on one accelerator, from the architecture; no constant is fitted.

What a pass keeps for its backward is what autograd saves of a layer of transformers' Llama under peft's LoRA: the base weights are
frozen, so the inputs of linear layers are kept for the adapters alone. Left out: what an allocator loses to fragments, and token ids.
"""

from __future__ import annotations

from dataclasses import dataclass

from lenity.config.sections import LoRA
from lenity.planning.shapes import Shape

WIDE = 4  # bytes of float32: norms, log-probs, adapters and their optimizer, whatever the model computes in
CHUNK = 2**24  # logits at once, as in lenity.models.actor_critic
TRAINED = {
    "adapters": WIDE,
    "gradients": WIDE,
    "optimizer": 2 * WIDE,
}  # bytes of a trained parameter; AdamW has two moments
DRAW, NUCLEUS = (
    24,
    32,
)  # bytes a logit of drawing a token: logits, probabilities, their sums in float64; with top-p sorted too
ALIVE = 3  # logits, in float32, that exist together: two and a result, or two and a gradient


@dataclass(frozen=True)
class Numbers:
    """Bytes of a weight or an activation of the frozen model, and of an element of a dropout mask.

    A mask is boolean on an accelerator; a CPU keeps factors in float32.
    """

    width: int = 2
    mask: int = 1

    @property
    def mixed(self) -> bool:
        """Whether the adapters, in float32, compute in the model's numbers through autocast."""
        return self.width < WIDE


@dataclass(frozen=True)
class Pass:
    """Responses that go through a model at once.

    Args:
        rows: responses.
        prompt: tokens of a prompt.
        response: tokens of a response.
    """

    rows: int
    prompt: int
    response: int

    @property
    def tokens(self) -> int:
        """All that the layers read."""
        return self.rows * (self.prompt + self.response)

    @property
    def answered(self) -> int:
        """Those that the heads read."""
        return self.rows * self.response


@dataclass(frozen=True)
class Model:
    """Policy and critic as they compute.

    Args:
        shape: of the policy, and of a separate critic.
        lora: their adapters.
        numbers: what they compute in.
        objectives: heads of the critic.
        hidden: width of its MLP.
        separate: the critic has a backbone of its own.
        gradient_checkpointing: layers' activations are computed again in the backward pass.
        critic: whether there is one.
    """

    shape: Shape
    lora: LoRA
    numbers: Numbers
    objectives: int
    hidden: int = 256
    separate: bool = False
    gradient_checkpointing: bool = False
    critic: bool = True

    @property
    def backbones(self) -> int:
        """How many there are."""
        return 2 if self.separate else 1

    @property
    def frozen(self) -> float:
        """Bytes of the base weights."""
        return self.numbers.width * (self.shape.parameters + (self.shape.backbone if self.separate else 0))

    @property
    def trained(self) -> int:
        """Parameters of adapters and heads."""
        width, hidden = self.shape.hidden, self.hidden
        heads = 2 * width + width * hidden + hidden + hidden * self.objectives + self.objectives if self.critic else 0
        return self.backbones * self.shape.adapter_parameters(self.lora) + heads


def update(model: Model, batch: Pass) -> dict[str, float]:
    """Bytes of a forward and backward pass at its fullest, beside weights and gradients: activations, and logits.

    It is fullest where the backward pass is in the head (three times a chunk's logits), or in the last layer; with a separate
    critic, which goes first, that is while everything of the policy is still kept.
    """
    shape = model.shape
    logits = WIDE * logits_at_once(shape, batch)
    kept_logits = logits if batch.answered * shape.vocabulary <= CHUNK else 0.0  # more are computed again
    kept = _kept_by_backbone(model, batch)
    heads = _kept_by_heads(model, batch) + _casts(model)
    in_head = {"activations": kept + heads, "logits": ALIVE * logits}
    before = kept_logits if model.separate else 0.0
    in_layer = {"activations": model.backbones * kept + heads + _working(model, batch), "logits": before}
    return max(in_head, in_layer, key=lambda part: sum(part.values()))


def scoring(model: Model, batch: Pass) -> float:
    """Bytes of a pass without gradients: the widest place of a layer, or the head with its entropies."""
    layer = layer_forward(model.shape, model.numbers, batch.tokens, model.numbers.width)
    states = model.numbers.width * model.shape.hidden * batch.answered
    return max(layer, states + ALIVE * WIDE * logits_at_once(model.shape, batch))


def generation(model: Model, batch: Pass, *, nucleus: bool = False) -> dict[str, float]:
    """Bytes while responses are sampled: keys and values of all layers at the end, and the work beside them.

    The work is the widest place of a layer while prompts are read, a draw over the vocabulary, or the growth of one layer's
    keys, whose old copy lives until the new one is there. Adapters compute in float32 here, without autocast.
    """
    shape, width = model.shape, model.numbers.width
    a_token = 2 * shape.keys * width
    cache = shape.layers * a_token * batch.tokens
    reading = layer_forward(shape, model.numbers, batch.rows * batch.prompt, WIDE)
    unfilled = shape.layers * a_token * batch.answered  # while prompts are read
    draw = (NUCLEUS if nucleus else DRAW) * batch.rows * shape.vocabulary
    return {"cache": cache, "work": max(reading - unfilled, draw, a_token / 2 * batch.tokens)}


def kept_by_layer(model: Model) -> float:
    """Bytes a token that one layer keeps for its backward pass."""
    shape, width = model.shape, model.numbers.width
    norms = 2 * WIDE * (shape.hidden + 1)  # their inputs in float32, and 1 / rms
    attention = width * (2 * shape.queries + 2 * shape.keys) + WIDE * shape.heads  # q, k, v, output; log-sum-exp
    mlp = 3 * width * shape.intermediate  # gate, silu(gate), up
    return norms + attention + mlp + _kept_by_adapters(model)


def layer_forward(shape: Shape, numbers: Numbers, tokens: float, adapter: int) -> float:
    """Bytes of a layer without gradients at its widest place, between `up` and its adapter, which computes in ``adapter`` bytes.

    There are the embedded tokens, the layer's input, the residual, what the MLP reads (also cast for the adapter), the rotation's
    factors, silu(gate), and `up` with its adapter's result before and after scaling.
    """
    cast = WIDE * shape.hidden if numbers.mixed else 0
    streams = numbers.width * (4 * shape.hidden + 2 * shape.head_dim) + cast
    return tokens * (streams + (2 * numbers.width + 2 * adapter) * shape.intermediate)


def logits_at_once(shape: Shape, batch: Pass) -> float:
    """Logits of one chunk."""
    return min(batch.answered, max(1, CHUNK // shape.vocabulary)) * shape.vocabulary


def _kept_by_adapters(model: Model) -> float:
    """Inputs of A and B, and dropout's masks. Without dropout and autocast, layers with the same input keep it once."""
    adapted, lora, numbers = model.shape.adapted(model.lora), model.lora, model.numbers
    between = len(adapted) * lora.r * numbers.width
    if lora.dropout or numbers.mixed:
        mask = numbers.mask if lora.dropout else 0
        return between + sum(inputs for inputs, _ in adapted.values()) * (numbers.width + mask)
    shared = {"k_proj": "q_proj", "v_proj": "q_proj", "up_proj": "gate_proj"}
    read = {shared.get(name, name): inputs for name, (inputs, _) in adapted.items() if name != "o_proj"}
    return between + sum(read.values()) * numbers.width  # that of o_proj is attention's output, which is kept already


def _kept_by_backbone(model: Model, batch: Pass) -> float:
    """Bytes that a whole backbone keeps; with checkpointing the inputs of its layers."""
    norm = WIDE * (model.shape.hidden + 1) * batch.tokens
    if model.gradient_checkpointing:
        return model.shape.layers * model.shape.hidden * model.numbers.width * batch.tokens + norm
    return model.shape.layers * kept_by_layer(model) * batch.tokens + norm - _first(model, batch)


def _first(model: Model, batch: Pass) -> float:
    """What the first layer does not keep, since the embeddings are frozen: its norm's input, and masks on that norm's output."""
    read = [name for name in model.shape.adapted(model.lora) if name in {"q_proj", "k_proj", "v_proj"}]
    masks = len(read) * model.shape.hidden * model.numbers.mask if model.lora.dropout else 0
    return (WIDE * (model.shape.hidden + 1) + masks) * batch.tokens


def _kept_by_heads(model: Model, batch: Pass) -> float:
    """Bytes that the critic's MLP keeps: its input, that of both linear layers, and the first one's output; 0 without a critic."""
    if not model.critic:
        return 0.0
    states = model.numbers.width * model.shape.hidden if model.numbers.mixed else 0  # beside their copy in float32
    return batch.answered * (states + WIDE * (2 * model.shape.hidden + 2 * model.hidden))


def _casts(model: Model) -> float:
    """Bytes of the adapters in the model's numbers, which autocast keeps."""
    adapters = model.backbones * model.shape.adapter_parameters(model.lora)
    return model.numbers.width * adapters if model.numbers.mixed else 0.0


def _working(model: Model, batch: Pass) -> float:
    """Bytes of gradients in the MLP of a layer's backward pass: gate, up, and the residual twice; with checkpointing the layer too."""
    gradients = model.numbers.width * (2 * model.shape.intermediate + 2 * model.shape.hidden)
    again = kept_by_layer(model) - model.numbers.width * model.shape.hidden if model.gradient_checkpointing else 0
    return batch.tokens * (gradients + again)
