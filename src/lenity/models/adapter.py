"""LoRA adapters on a model, as configured for the policy, a separate critic, fine-tuning and reward training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from lenity.config.sections import LoRA
from lenity.distributed import memory
from lenity.errors import ModelError

ALL = "all-linear"
MENTIONED = 0.01  # tensors that all-linear does not adapt are mentioned above this share of the parameters


def attach(
    model: Any,
    lora: LoRA,
    *,
    field: str = "policy.lora",
    task: str | None = "CAUSAL_LM",
    notify: Callable[[str], None] | None = None,
) -> Any:
    """A ``PeftModel`` of ``model`` with a new adapter, tested by a pass over a few tokens.

    ``all-linear`` leaves out layers that peft refuses, that fail with an adapter (routers that return a tuple) and that a pass
    over text never calls; the adapter's settings then list the other layers by name.

    Args:
        model: the base model; its weights are frozen.
        lora: settings of the adapter.
        field: the configuration's field with these settings, for messages.
        task: peft's task type; None for a decoder without a head.
        notify: called with a sentence about layers that are left out, and why.

    Raises:
        ModelError: the model has no layer of a given name, or the layer cannot have an adapter.
    """
    field, notify = f"{field}.target_modules", notify or (lambda text: None)
    listed = [] if lora.target_modules == ALL else list(lora.target_modules)
    groups = {name: named(model, name) for name in listed} or _kinds(model)
    unknown = [name for name, layers in groups.items() if not layers]
    draws, kinds = torch.get_rng_state(), _kinds(model)
    wanted = {layer for layers in groups.values() for layer in layers}
    refused: dict[str, str] = {}
    adapted, problem = _attempt(model, _settings(lora, task), groups)
    if unknown and (adapted is None or not _converted(adapted, unknown)):
        raise ModelError(
            f"{field} names {unknown}, which {type(model).__name__} does not have.", _nearest(kinds, unknown)
        )
    if adapted is None:
        refused = _refused(model, lora, {kind: [x for x in layers if x in wanted] for kind, layers in kinds.items()})
        alone = "; ".join(refused.values())
        why = alone if problem in alone else f"{alone}; all together: {problem}" if alone else problem
        kept = [layer for kind, layers in kinds.items() if kind not in refused for layer in layers]
        if lora.target_modules == ALL:
            torch.set_rng_state(draws)
            adapted, problem = _attempt(model, _settings(lora, task, target_modules=kept), {})
        if adapted is None:
            raise ModelError(
                f"{field} is {lora.target_modules!r}, which {type(model).__name__} cannot adapt: {why}.",
                f"Name other layers of this model, or '{ALL}'.",
            )
        notify(f"{field} is '{ALL}', without {why if refused else f'what is no linear layer ({why})'}.")
    if taken := _taken(adapted, {kind: layers for kind, layers in kinds.items() if kind not in refused}, wanted):
        notify(
            f"{field} is {lora.target_modules!r}, without {', '.join(taken)}: peft takes their names for those of experts, which have "
            "the adapter in their place."
        )
    if lora.target_modules == ALL:
        _mention_tensors(adapted.get_base_model(), field, notify)
    return adapted


def named(model: Any, name: str) -> list[str]:
    """The modules of ``model`` that ``name`` in ``target_modules`` means to peft."""
    return [module for module, _ in model.named_modules() if f".{module}".endswith(f".{name}") and name]


def within(lora: LoRA, model: Any, decoder: Any) -> LoRA:
    """``lora`` without the names of layers outside ``decoder``, such as the head of ``model``.

    Raises:
        ModelError: no named layer is in the decoder.
    """
    if lora.target_modules == ALL:
        return lora
    kept = [name for name in lora.target_modules if named(decoder, name) or not named(model, name)]
    if not kept:
        raise ModelError(
            f"policy.lora.target_modules is {lora.target_modules}, none of which is in the decoder of the separate critic.",
            "Also name layers of the decoder, or set critic.kind to shared.",
        )
    return lora.model_copy(update={"target_modules": kept})


def _settings(lora: LoRA, task: str | None, **changes: Any) -> Any:
    from peft import LoraConfig

    plain = {"target_modules": lora.target_modules, "r": lora.r, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}
    return LoraConfig(**plain | {"task_type": task} | changes)


def _attempt(model: Any, settings: Any, groups: Mapping[str, Sequence[str]]) -> tuple[Any, str]:
    """The ``PeftModel`` and "", or None and the reason of the failure, after the adapter was removed from ``model``.

    The attempt also fails if a pass calls no adapted layer of a group.
    """
    from peft import get_peft_model

    try:
        adapted = get_peft_model(model, settings)
        called = _called(adapted)
    except Exception as error:
        if memory.ran_out(error):
            raise
        _unwrap(model)
        return None, _reason(error)
    for name, layers in groups.items():
        if called.keys() & set(layers) and not any(called.get(layer) for layer in layers):
            _unwrap(model)
            return None, f"a pass over text never calls {name}"
    return adapted, ""


@torch.no_grad()
def _called(adapted: Any) -> dict[str, bool]:
    """Whether a pass over a few tokens calls the layer, for each layer with an adapter."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    base = adapted.get_base_model()
    base.eval()
    called = {name: False for name, layer in base.named_modules() if isinstance(layer, BaseTunerLayer)}
    hooks = [
        base.get_submodule(name).register_forward_hook(lambda *_, name=name: called.update({name: True}))
        for name in called
    ]
    try:
        embedding = base.get_input_embeddings().weight
        ids = torch.arange(min(5, len(embedding)), device=embedding.device)[None]
        base(input_ids=ids, attention_mask=torch.ones_like(ids))
    finally:
        for hook in hooks:
            hook.remove()
    return called


def _refused(model: Any, lora: LoRA, kinds: Mapping[str, list[str]]) -> dict[str, str]:
    """The reason, by kind of layer, for each kind that cannot have an adapter when tried alone."""
    reasons = {}
    for kind, layers in kinds.items():
        if not layers:
            continue
        adapted, problem = _attempt(model, _settings(lora, None, target_modules=layers), {kind: layers})
        if adapted is None:
            reasons[kind] = f"{kind} ({len(layers)} layers): {problem}"
        else:
            _unwrap(model)
    return reasons


def _kinds(model: Any) -> dict[str, list[str]]:
    """The layers that ``all-linear`` selects, grouped by the parent's class and the layer's own name."""
    from transformers.pytorch_utils import Conv1D

    kinds, head = defaultdict(list), getattr(model, "get_output_embeddings", lambda: None)()
    for name, layer in model.named_modules():
        if isinstance(layer, (nn.Linear, Conv1D)) and layer is not head:
            parent, _, own = name.rpartition(".")
            kinds[f"{type(model.get_submodule(parent)).__name__}.{own}"].append(name)
    return dict(kinds)


def _unwrap(model: Any) -> None:
    """Remove every part of an adapter from ``model``, even of an adapter that was only partly attached."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    def bare(layer: Any) -> Any:
        while isinstance(layer, (BaseTunerLayer, AuxiliaryTrainingWrapper)):
            layer = layer.base_layer if isinstance(layer, BaseTunerLayer) else layer.original_module
        return layer

    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, (BaseTunerLayer, AuxiliaryTrainingWrapper)):
                setattr(parent, name, bare(layer))
    model.__dict__.pop("peft_config", None)


def _converted(adapted: Any, names: Sequence[str]) -> bool:
    """Whether peft recognised ``names`` as layers of an older transformers, in which experts were separate layers."""
    settings = adapted.peft_config["default"]
    return bool(settings.target_parameters) and not set(names) & set(settings.target_modules or ())


def _taken(adapted: Any, kinds: Mapping[str, list[str]], wanted: Collection[str]) -> list[str]:
    """The kinds of ``wanted`` layers that have no adapter because peft converted their names to those of experts' tensors."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    if not adapted.peft_config["default"].target_parameters:
        return []
    parts = adapted.get_base_model().named_modules()
    has = {name.replace(".base_layer", "") for name, layer in parts if isinstance(layer, BaseTunerLayer)}
    bare = {kind: [layer for layer in layers if layer in wanted and layer not in has] for kind, layers in kinds.items()}
    return [f"{kind} ({len(layers)} layers)" for kind, layers in bare.items() if layers]


def _nearest(kinds: Mapping[str, list[str]], unknown: Sequence[str]) -> str:
    leaves = sorted({kind.rpartition(".")[2] for kind in kinds})
    near = sorted({leaf for name in unknown for leaf in get_close_matches(name.rpartition(".")[2], leaves)})
    meant = f"Did you mean {', '.join(map(repr, near))}? " if near else ""
    return f"{meant}Its linear layers are {', '.join(leaves)}; '{ALL}' takes all of them."


def _mention_tensors(base: Any, field: str, notify: Callable[[str], None]) -> None:
    """Report by ``notify`` the share of a model's parameters in tensors that are not layers, such as fused experts, and not adapted."""
    every = [(name, value) for name, value in base.named_parameters() if "lora_" not in name]
    bare = [name for name, value in every if value.ndim == 3 and "base_layer" not in name]
    bare = [name for name in bare if not hasattr(base.get_submodule(name.rpartition(".")[0]), "kernel_size")]
    share = sum(base.get_parameter(name).numel() for name in bare) / sum(value.numel() for _, value in every)
    if share > MENTIONED:
        notify(
            f"{field} is '{ALL}', which leaves {share:.0%} of the model's parameters without an adapter: tensors that are no linear "
            f"layers, such as {bare[0]}."
        )


def _reason(error: Exception) -> str:
    first = next((line for line in str(error).splitlines() if line.strip()), "").partition(". ")[0]
    return f"{type(error).__name__}: {first[:200]}".rstrip(".: ")
