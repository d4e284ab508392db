"""The policy: a causal language model with a LoRA adapter. The reference policy is the same model with the adapter off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.config.sections import Policy
from lenity.errors import ModelError
from lenity.models.adapter import attach
from lenity.models.attention import quicken
from lenity.models.merge import merge, save
from lenity.models.padding import require_end
from lenity.models.precision import dtype_of
from lenity.models.recompute import recompute
from lenity.models.saved_adapter import is_adapter, put_on, refuse_injected, settings_of
from lenity.models.source import loading
from lenity.models.window import window
from lenity.storage.atomic_io import replacing_folder, writing

UNLIMITED = int(1e30)  # the model_max_length that transformers uses for "no limit"

if TYPE_CHECKING:
    import torch


def load_policy(
    policy: Policy, device: torch.device, *, sharded: bool = False, notify: Callable[[str], None] | None = None
) -> tuple[Any, Any]:
    """The model with a new adapter, which does not change its outputs yet, and its tokenizer.

    Args:
        policy: section of a run's configuration.
        device: device of the model.
        sharded: leave the model in the CPU's memory, from which it is sharded layer by layer, so that no device holds all of it.
        notify: called with a sentence about the layers that ``all-linear`` leaves out, and why.

    Raises:
        ModelError: the model cannot be loaded, or no layer can have the adapter.
    """
    model = attach(load_base(policy, device, sharded=sharded), policy.lora, notify=notify)
    if policy.gradient_checkpointing:
        recompute(model)
    return model, tokenizer_of(model, policy)


def load_base(policy: Policy, device: torch.device, *, sharded: bool = False) -> Any:
    """The frozen causal language model; if ``policy.model`` is an adapter, its base with the adapter merged. See :func:`load_policy`."""
    from transformers import GenerationConfig

    settings: dict[str, Any] = {
        "dtype": dtype_of(policy.dtype, device),
        "trust_remote_code": policy.trust_remote_code,
        "use_safetensors": True,
    }
    if is_adapter(policy.model):
        adapter = settings_of(Path(policy.model))
        name = str(adapter["base_model_name_or_path"])
        field = f"the base model of the adapter '{policy.model}'"
        model = merge(put_on(_whole(field, name, adapter.get("revision"), settings), Path(policy.model)))
    else:
        model = _whole("policy.model", policy.model, policy.revision, settings)
    # Of the model's generation settings only the EOS tokens are kept: a repetition penalty or top-k would change the sampling
    # distribution, so that log-probs would be of another distribution.
    model.generation_config = GenerationConfig(eos_token_id=model.generation_config.eos_token_id)
    if sharded and device.type != "cpu":
        return model
    return quicken(model.to(device))


def _whole(field: str, name: str, revision: str | None, settings: dict[str, Any]) -> Any:
    from transformers import AutoModelForCausalLM

    with loading(field, name, "train it with `lenity sft`"):
        model = AutoModelForCausalLM.from_pretrained(name, revision=revision, **settings)
    refuse_injected(model, field, name)
    return model


def load_tokenizer(policy: Policy) -> Any:
    """The policy's tokenizer, which pads on the left; EOS is the padding token if there is no other (masks distinguish them)."""
    from transformers import AutoTokenizer

    model, revision = policy.model, policy.revision
    if is_adapter(model) and not (Path(model) / "tokenizer_config.json").is_file():
        adapter = settings_of(Path(model))
        model, revision = str(adapter["base_model_name_or_path"]), adapter.get("revision")
    with loading("the tokenizer of policy.model", policy.model, "save the tokenizer beside the model"):
        tokenizer = AutoTokenizer.from_pretrained(
            model, revision=revision, trust_remote_code=policy.trust_remote_code, padding_side="left"
        )
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"the tokenizer of '{policy.model}' has no end-of-sequence token, so no response could end.",
            "Set its eos_token and save it.",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def tokenizer_of(model: Any, policy: Policy) -> Any:
    """The tokenizer, with the model's context window as its ``model_max_length``."""
    tokenizer = load_tokenizer(policy)
    require_end(model, tokenizer, policy.model)
    tokenizer.model_max_length = window(model.get_base_model()) or UNLIMITED
    return tokenizer


def merged(policy: Policy, folder: Path) -> Policy:
    """``policy``, or, if its model is an adapter, the policy with the merged model, saved in ``folder``.

    The base of the new adapter is then an ordinary model, so that plain ``peft`` can load both.
    """
    import torch

    if not is_adapter(policy.model):
        return policy
    if not (folder / "config.json").is_file():
        model, tokenizer = load_base(policy, torch.device("cpu")), load_tokenizer(policy)
        with writing(folder), replacing_folder(folder) as partial:
            save(model, partial)
            tokenizer.save_pretrained(partial)
    return policy.model_copy(update={"model": str(folder), "revision": None})
