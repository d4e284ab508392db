"""Saved adapters: their settings, checks against the base model, and loading."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from lenity.errors import ModelError
from lenity.models.source import loading

SETTINGS, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # prefix of every name in an adapter's file


def is_adapter(model: str) -> bool:
    """Whether ``model`` is a local folder with an adapter and without a whole model."""
    folder = Path(model)
    whole = (folder / "config.json").is_file() and any(folder.glob("model*.safetensors"))
    return (folder / SETTINGS).is_file() and not whole


def settings_of(folder: Path) -> dict[str, Any]:
    """The settings of an adapter that can be loaded as a policy.

    Raises:
        ModelError: ``folder`` lacks settings or weights, or the adapter has no base model or is for another task.
    """
    with loading("the adapter", str(folder), "save it again"):
        settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    if not (folder / WEIGHTS).is_file():  # peft would load adapter_model.bin instead, a pickle
        raise ModelError(
            f"the adapter '{folder}' has no {WEIGHTS}.",
            "Weights must be safetensors; save it again with a recent peft.",
        )
    base = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    if not isinstance(base, str) or not base:
        raise ModelError(
            f"the adapter '{folder}' names no base model (base_model_name_or_path is {base!r}).",
            f"Name it in {SETTINGS}.",
        )
    if (task := settings.get("task_type")) not in (None, "CAUSAL_LM"):
        raise ModelError(f"the adapter '{folder}' has task_type {task}.", "A policy needs task_type CAUSAL_LM.")
    return settings


def put_on(base: Any, folder: Path) -> Any:
    """A ``PeftModel`` of ``base`` with the adapter in ``folder``; the embeddings are resized to the rows that the adapter has.

    Raises:
        ModelError: the adapter is damaged, of another model or of an unknown type, or has new tokens without a tokenizer.
    """
    from peft import PeftModel

    settings = settings_of(folder)
    with loading("the adapter", str(folder), "train it"):
        ends = _ends(base)
        _resize(base, folder, ends)
        model = PeftModel.from_pretrained(base, folder)
        result = model.load_adapter(str(folder), "default")  # a second time, since only this reports missing names
    known = {field.name for field in fields(model.peft_config["default"])}
    if later := {name: value for name, value in settings.items() if value and name not in known}:
        raise ModelError(
            f"the adapter '{folder}' has settings that the installed peft does not know ({later}).",
            "Update peft, or remove the settings if they do not affect the weights.",
        )
    strange = [name for name in result.unexpected_keys if name.startswith(PREFIX)]
    lost = [name for name in strange if not name.startswith(tuple(ends))]  # peft saves some embeddings twice
    if odd := [*result.missing_keys, *lost]:
        raise ModelError(
            f"the adapter '{folder}' and its base model do not have the same layers ({len(odd)} differ, such as {odd[0]}).",
            f"Name the base model that it was trained on in its {SETTINGS}.",
        )
    return model


def refuse_injected(model: Any, field: str, name: str) -> None:
    """Refuse a model that transformers loaded with an adapter, which would be in its layers and not in its weights.

    Raises:
        ModelError: the model has such an adapter.
    """
    if getattr(model, "_hf_peft_config_loaded", False):
        raise ModelError(
            f"{field} is '{name}', which holds an adapter beside a model's weights, or is an adapter on the hub.",
            "Set policy.model to a local folder with the adapter alone, or to the merged model.",
        )


def _tokens(folder: Path) -> int:
    from transformers import AutoTokenizer

    return len(AutoTokenizer.from_pretrained(folder, local_files_only=True))  # nosec B615  # a local folder


def _resize(base: Any, folder: Path, ends: Mapping[str, Any]) -> None:
    """Resize the embeddings of ``base`` to the rows that the adapter was trained with.

    Raises:
        ModelError: the adapter lacks new rows or a tokenizer, or the tokenizer has more tokens.
    """
    rows, has_tokenizer = len(base.get_input_embeddings().weight), (folder / "tokenizer_config.json").is_file()
    found = {name: count for name, count in _rows(folder, tuple(ends)) if count != rows}
    wanted = max(found.values(), default=rows)
    if has_tokenizer and (tokens := _tokens(folder)) > wanted:
        raise ModelError(
            f"the tokenizer beside the adapter '{folder}' has {tokens} tokens, and there are embeddings of {wanted}.",
            "Save the adapter again with save_embedding_layers=True, or its tokenizer without the new tokens.",
        )
    if not found:
        return
    what = f"the adapter '{folder}' has {wanted} tokens and its base model {rows}"
    if not has_tokenizer:
        raise ModelError(
            f"{what}, and no tokenizer is beside it.", "Save the tokenizer that it was trained with into its folder."
        )
    whole = {
        id(layer.weight) for end, layer in ends.items() if any(n.startswith(end) and "lora_" not in n for n in found)
    }
    if whole != {id(layer.weight) for layer in ends.values()}:
        raise ModelError(
            f"{what}, and the new rows of an embedding or the head are missing.",
            f"Merge it where it was trained, or name the resized base model in its {SETTINGS}.",
        )
    base.resize_token_embeddings(wanted, mean_resizing=False)


def _ends(base: Any) -> dict[str, Any]:
    """The embedding and the head, by the prefix of their names in an adapter's file."""
    ends = [layer for layer in (base.get_input_embeddings(), base.get_output_embeddings()) if layer is not None]
    return {f"{PREFIX}{name}.": layer for name, layer in base.named_modules() if any(layer is end for end in ends)}


def _rows(folder: Path, ends: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """The name and the number of tokens of each of the adapter's tensors with one row or column per token."""
    from safetensors import safe_open

    with safe_open(folder / WEIGHTS, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118  # no mapping
            columns = name.endswith(".lora_embedding_A")
            if name.startswith(ends) and (columns or (name.endswith(".weight") and ".lora_A." not in name)):
                yield name, file.get_slice(name).get_shape()[1 if columns else 0]
