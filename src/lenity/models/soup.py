"""Averages of LoRA adapters of one base model, as a standard PEFT adapter."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lenity.config.objectives import check_weights
from lenity.config.sections import Average
from lenity.errors import ConfigError, ModelError

FREE = {  # settings that may differ from peft's defaults, because they are handled here or do not affect the update
    "auto_mapping", "base_model_name_or_path", "fan_in_fan_out", "inference_mode", "init_lora_weights", "lora_alpha", "lora_dropout",
    "peft_version", "r", "revision", "target_modules", "task_type", "use_rslora",
}  # fmt: skip
KEEPS_BASE = (True, False, "gaussian")  # init_lora_weights that do not change the base weights
FIRST, SECOND = (".lora_A.weight", ".lora_embedding_A"), (".lora_B.weight", ".lora_embedding_B")
EMBEDDINGS = ".base_layer.weight"  # peft also saves the base model's embeddings if they have an adapter


def save_soup(
    adapters: Mapping[str, Path], weights: Mapping[str, float], output: Path, mode: Average = "exact"
) -> None:
    r"""Save the adapter with the update :math:`\sum_k w_k \Delta W_k` to ``output``.

    ``exact`` concatenates ranks: with :math:`\Delta W_k = s_k B_k A_k` the new factors are the stacked A_k and the
    :math:`w_k s_k B_k` side by side, so the rank is the sum of the ranks. ``factors`` averages A and B separately, as Rewarded Soups
    (arXiv 2306.04488) was published with LoRA; its update is not the average of the updates.

    Args:
        adapters: folder of each adapter, by name.
        weights: weight of each adapter by the same names, sum 1; adapters of weight 0 are left out.
        output: folder to write.
        mode: how to average.

    Raises:
        ConfigError: weights do not sum to 1, or lack an adapter.
        ModelError: an adapter is not plain LoRA, or adapters have different bases; with ``factors`` also different shapes or scales.
    """
    weights = _checked(weights, adapters)
    used = [name for name in adapters if weights[name] > 0]
    configs = {name: _config(adapters[name]) for name in used}
    states = {name: load_file(adapters[name] / "adapter_model.safetensors") for name in used}
    for name in used:
        _refuse_special(adapters[name], configs[name], states[name])
    embeddings = _embeddings(states)
    if len(bases := sorted({str(config["base_model_name_or_path"]) for config in configs.values()})) > 1:
        raise ModelError(
            f"the adapters have different base models: {', '.join(bases)}; a soup needs one. If policy.model is itself an adapter, each "
            "run saves a merged base of its own.",
            f"Train all runs with the same merged model as policy.model, such as '{bases[0]}', or with `lenity sweep`.",
        )
    scales = {name: _scale(configs[name]) for name in used}
    if mode == "factors":
        _refuse_unlike(configs, states)
        merged = {
            key: torch.stack([weights[n] * states[n][key].float() for n in used]).sum(0) for key in states[used[0]]
        }
        settings = configs[used[0]]
    else:
        ranks = {name: configs[name]["r"] for name in used}
        merged = _concatenated(states, {name: weights[name] * scales[name] for name in used}, ranks)
        rank = sum(ranks.values())
        targets = sorted({target for config in configs.values() for target in config["target_modules"]})
        settings = configs[used[0]] | {"r": rank, "lora_alpha": rank, "use_rslora": False, "target_modules": targets}
    output.mkdir(parents=True, exist_ok=True)
    save_file(
        {key: value.contiguous() for key, value in (merged | embeddings).items()}, output / "adapter_model.safetensors"
    )
    (output / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _embeddings(states: Mapping[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """The base model's embeddings, removed from ``states``.

    Raises:
        ModelError: two adapters have different ones.
    """
    embeddings: dict[str, Tensor] = {}
    for name, state in states.items():
        for key in [key for key in state if key.endswith(EMBEDDINGS)]:
            value = state.pop(key)
            if not torch.equal(embeddings.setdefault(key, value), value):
                raise ModelError(
                    f"the base model of the adapter '{name}' has other weights of {key.removesuffix(EMBEDDINGS)} than another adapter's.",
                    "Train all adapters with the same policy.model.",
                )
    return embeddings


def _checked(weights: Mapping[str, float], adapters: Mapping[str, Path]) -> dict[str, float]:
    """The weights, divided by their sum, which is 1 up to rounding.

    Raises:
        ConfigError: see :func:`save_soup`.
    """
    try:
        check_weights(weights)
    except ValueError as error:
        raise ConfigError(f"{error}.", "Correct the weights.") from error
    weighty = {name for name, weight in weights.items() if weight > 0}
    if alone := (weighty - set(adapters)) | (set(adapters) - set(weights)):
        raise ConfigError(
            f"weights are for {sorted(weights)}, but adapters for {sorted(adapters)}.",
            f"Give {sorted(alone)} both a weight and an adapter, or neither.",
        )
    total = math.fsum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _concatenated(
    states: Mapping[str, dict[str, Tensor]], scales: Mapping[str, float], ranks: Mapping[str, int]
) -> dict[str, Tensor]:
    """Stacked A and scaled B of every module; for a module without an adapter, zeros of the adapter's rank."""
    shapes = {key: value.shape for state in states.values() for key, value in state.items()}
    merged = {}
    for key, shape in shapes.items():
        is_first = key.endswith(FIRST)
        parts = []
        for name, state in states.items():
            empty = (ranks[name], *shape[1:]) if is_first else (shape[0], ranks[name], *shape[2:])
            part = state[key].float() if key in state else torch.zeros(empty)
            parts.append(part if is_first else scales[name] * part)
        merged[key] = torch.cat(parts, 0 if is_first else 1)
    return merged


def _config(folder: Path) -> dict[str, Any]:
    file = folder / "adapter_config.json"
    if not file.is_file():
        raise ModelError(
            f"'{folder}' is not an adapter: it has no adapter_config.json.", "Finish the run it belongs to."
        )
    config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return config


def _scale(config: dict[str, Any]) -> float:
    rank = config["r"] ** 0.5 if config.get("use_rslora") else config["r"]
    return float(config["lora_alpha"] / rank)


def _refuse_special(folder: Path, config: dict[str, Any], state: dict[str, Tensor]) -> None:
    """Refuse an adapter whose update is not a scaled product of two factors on modules named in a list.

    Raises:
        ModelError: the adapter is such a one.
    """
    from peft import LoraConfig

    plain = LoraConfig().to_dict()
    special = [
        field for field, value in config.items() if field not in FREE and value not in (None, [], {}, plain.get(field))
    ]
    if config.get("init_lora_weights", True) not in KEEPS_BASE:
        special.append("init_lora_weights")
    if special:
        settings = ", ".join(f"{field} {config[field]!r}" for field in special)
        raise ModelError(
            f"'{folder}' has {settings}; a soup of such adapters would be wrong.", "Train with plain LoRA."
        )
    if other := [key for key in state if not key.endswith((*FIRST, *SECOND, EMBEDDINGS))]:
        raise ModelError(
            f"'{folder}' holds weights that are not LoRA factors ({other[0]}, ...); a soup would lose them.",
            "Train with plain LoRA.",
        )
    if not isinstance(config["target_modules"], list):
        raise ModelError(
            f"'{folder}' names target_modules by a pattern ({config['target_modules']!r}).",
            "Name the modules in a list.",
        )


def _refuse_unlike(configs: Mapping[str, dict[str, Any]], states: Mapping[str, dict[str, Tensor]]) -> None:
    """Refuse adapters of different ranks, scales or modules.

    Raises:
        ModelError: they differ.
    """
    distinct = {
        (config["r"], _scale(config), tuple((key, tuple(value.shape)) for key, value in sorted(states[name].items())))
        for name, config in configs.items()
    }
    if len(distinct) > 1:
        raise ModelError(
            "mode 'factors' averages A and B separately, so ranks, scales and modules must agree.", "Use mode 'exact'."
        )
