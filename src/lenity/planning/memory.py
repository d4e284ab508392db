"""The bytes of each part of a run on one accelerator, derived from the architecture; no constant is fitted.

The activations kept for the backward pass are those that autograd saves in a layer of transformers' Llama with peft's LoRA: the base
weights are frozen, so the inputs of linear layers are kept for the adapters only. Left out: memory fragmentation, and token ids.
"""

from __future__ import annotations

from dataclasses import dataclass

from lenity.config.sections import LoRA
from lenity.planning.shapes import Shape

WIDE = 4  # bytes of float32: norms, log-probs, adapters and their optimizer state, in any precision of the model
CHUNK = 2**24  # maximum of logits at once, as in lenity.models.actor_critic
TRAINED = {
    "adapters": WIDE,
    "gradients": WIDE,
    "optimizer": 2 * WIDE,
}  # bytes per trained parameter; AdamW has two moments
DRAW, NUCLEUS = (
    24,
    32,
)  # bytes per logit while sampling a token: logits, probabilities, their sums in float64; with top-p also sorted
ALIVE = 3  # float32 tensors of logits that exist at the same time: two and a result, or two and a gradient


@dataclass(frozen=True)
class Numbers:
    """Bytes per number: ``width`` for weights and activations of the frozen model, ``mask`` for elements of a dropout mask.

    A dropout mask is boolean on an accelerator; on a CPU it holds float32 factors.
    """

    width: int = 2
    mask: int = 1

    @property
    def mixed(self) -> bool:
        """Whether the float32 adapters compute in the model's precision, by autocast."""
        return self.width < WIDE


@dataclass(frozen=True)
class Pass:
    """The sizes of one batch that passes through a model.

    Args:
        rows: number of responses.
        prompt: tokens per prompt.
        response: tokens per response.
    """

    rows: int
    prompt: int
    response: int

    @property
    def tokens(self) -> int:
        """The tokens that the layers process: prompts and responses."""
        return self.rows * (self.prompt + self.response)

    @property
    def answered(self) -> int:
        """The tokens that the heads process: responses only."""
        return self.rows * self.response


@dataclass(frozen=True)
class Model:
    """The sizes of policy and critic.

    Args:
        shape: shape of the policy, and of a separate critic.
        lora: settings of their adapters.
        numbers: bytes per number.
        objectives: number of the critic's values per token.
        hidden: width of the critic's MLP.
        separate: whether the critic has a backbone of its own.
        gradient_checkpointing: whether activations of layers are recomputed in the backward pass.
        critic: whether there is a critic.
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
        """The number of backbones."""
        return 2 if self.separate else 1

    @property
    def frozen(self) -> float:
        """The bytes of the frozen base weights."""
        return self.numbers.width * (self.shape.parameters + (self.shape.backbone if self.separate else 0))

    @property
    def trained(self) -> int:
        """The number of trained parameters: adapters and the critic's heads."""
        width, hidden = self.shape.hidden, self.hidden
        heads = 2 * width + width * hidden + hidden + hidden * self.objectives + self.objectives if self.critic else 0
        return self.backbones * self.shape.adapter_parameters(self.lora) + heads


def update(model: Model, batch: Pass) -> dict[str, float]:
    """The peak bytes of a forward and backward pass, without weights and gradients: activations, and logits.

    The peak is where the backward pass is in the head (three times a chunk's logits) or in the last layer. With a separate critic,
    whose backward pass comes first, the policy's activations are all still kept at that point.
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
    """The peak bytes of a pass without gradients: in the widest part of a layer, or in the head with its entropies."""
    layer = layer_forward(model.shape, model.numbers, batch.tokens, model.numbers.width)
    states = model.numbers.width * model.shape.hidden * batch.answered
    return max(layer, states + ALIVE * WIDE * logits_at_once(model.shape, batch))


def generation(model: Model, batch: Pass, *, nucleus: bool = False) -> dict[str, float]:
    """The peak bytes of generation: ``cache``, the keys and values of all layers at the end, and ``work``, temporary tensors.

    ``work`` is the largest of: the widest part of a layer while prompts are processed, the sampling over the vocabulary, and the
    growth of one layer's keys, whose old copy exists until the new one is filled. Adapters compute in float32 here, without autocast.
    """
    shape, width = model.shape, model.numbers.width
    per_token = 2 * shape.keys * width
    cache = shape.layers * per_token * batch.tokens
    reading = layer_forward(shape, model.numbers, batch.rows * batch.prompt, WIDE)
    unfilled = shape.layers * per_token * batch.answered  # while prompts are processed
    draw = (NUCLEUS if nucleus else DRAW) * batch.rows * shape.vocabulary
    return {"cache": cache, "work": max(reading - unfilled, draw, per_token / 2 * batch.tokens)}


def kept_by_layer(model: Model) -> float:
    """The bytes per token that one layer keeps for its backward pass."""
    shape, width = model.shape, model.numbers.width
    norms = 2 * WIDE * (shape.hidden + 1)  # inputs in float32, and 1 / rms
    attention = width * (2 * shape.queries + 2 * shape.keys) + WIDE * shape.heads  # q, k, v, output; log-sum-exp
    mlp = 3 * width * shape.intermediate  # gate, silu(gate), up
    return norms + attention + mlp + _kept_by_adapters(model)


def layer_forward(shape: Shape, numbers: Numbers, tokens: float, adapter: int) -> float:
    """The peak bytes of a layer without gradients, between `up` and its adapter, which computes in ``adapter`` bytes per number.

    At that point there exist the embedded tokens, the layer's input, the residual, the MLP's input (also cast for the adapter), the
    factors of rotary positions, silu(gate), and `up` with its adapter's result before and after scaling.
    """
    cast = WIDE * shape.hidden if numbers.mixed else 0
    streams = numbers.width * (4 * shape.hidden + 2 * shape.head_dim) + cast
    return tokens * (streams + (2 * numbers.width + 2 * adapter) * shape.intermediate)


def logits_at_once(shape: Shape, batch: Pass) -> float:
    """The number of logits per chunk."""
    return min(batch.answered, max(1, CHUNK // shape.vocabulary)) * shape.vocabulary


def _kept_by_adapters(model: Model) -> float:
    """The bytes per token of A's and B's inputs and of dropout masks; without dropout and autocast, layers share a common input."""
    adapted, lora, numbers = model.shape.adapted(model.lora), model.lora, model.numbers
    between = len(adapted) * lora.r * numbers.width
    if lora.dropout or numbers.mixed:
        mask = numbers.mask if lora.dropout else 0
        return between + sum(inputs for inputs, _ in adapted.values()) * (numbers.width + mask)
    shared = {"k_proj": "q_proj", "v_proj": "q_proj", "up_proj": "gate_proj"}
    read = {shared.get(name, name): inputs for name, (inputs, _) in adapted.items() if name != "o_proj"}
    return between + sum(read.values()) * numbers.width  # o_proj's input is attention's output, which is counted there


def _kept_by_backbone(model: Model, batch: Pass) -> float:
    """The bytes that a backbone keeps; with gradient checkpointing only the inputs of its layers."""
    norm = WIDE * (model.shape.hidden + 1) * batch.tokens
    if model.gradient_checkpointing:
        return model.shape.layers * model.shape.hidden * model.numbers.width * batch.tokens + norm
    return model.shape.layers * kept_by_layer(model) * batch.tokens + norm - _first(model, batch)


def _first(model: Model, batch: Pass) -> float:
    """The bytes that the first layer need not keep, since the embeddings are frozen: its norm's input, and masks on the output."""
    read = [name for name in model.shape.adapted(model.lora) if name in {"q_proj", "k_proj", "v_proj"}]
    masks = len(read) * model.shape.hidden * model.numbers.mask if model.lora.dropout else 0
    return (WIDE * (model.shape.hidden + 1) + masks) * batch.tokens


def _kept_by_heads(model: Model, batch: Pass) -> float:
    """The bytes that the critic's MLP keeps: the inputs of the norm and both linear layers, the first one's output; 0 without a critic."""
    if not model.critic:
        return 0.0
    states = model.numbers.width * model.shape.hidden if model.numbers.mixed else 0  # beside their copy in float32
    return batch.answered * (states + WIDE * (2 * model.shape.hidden + 2 * model.hidden))


def _casts(model: Model) -> float:
    """The bytes of the adapters cast to the model's precision, which autocast caches."""
    adapters = model.backbones * model.shape.adapter_parameters(model.lora)
    return model.numbers.width * adapters if model.numbers.mixed else 0.0


def _working(model: Model, batch: Pass) -> float:
    """The bytes of gradients in a layer's MLP (gate, up, the residual twice); with gradient checkpointing also its activations."""
    gradients = model.numbers.width * (2 * model.shape.intermediate + 2 * model.shape.hidden)
    again = kept_by_layer(model) - model.numbers.width * model.shape.hidden if model.gradient_checkpointing else 0
    return batch.tokens * (gradients + again)
