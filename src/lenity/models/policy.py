"""The policy: a causal language model with a LoRA adapter. The reference policy is the same model with the adapter off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.config.sections import Policy
from lenity.durable import replacing_folder, writing
from lenity.errors import ModelError
from lenity.models.attention import quicken
from lenity.models.precision import dtype_of
from lenity.models.recompute import recompute
from lenity.models.source import explain
from lenity.suggest import command

UNLIMITED = int(1e30)  # what transformers has in place of a window

if TYPE_CHECKING:
    import torch

    from lenity.run_folder import RunFolder


def load_policy(policy: Policy, device: torch.device, *, sharded: bool = False) -> tuple[Any, Any]:
    """The model with a fresh adapter (which changes nothing yet), and its tokenizer.

    Args:
        policy: section of a run's configuration.
        device: where it will compute.
        sharded: leave it in the CPU's memory, from where it is sharded a layer at a time: a device need not hold it whole.

    Raises:
        ModelError: the model cannot be loaded, or no layer takes the adapter.
    """
    from peft import LoraConfig, get_peft_model

    lora = policy.lora
    settings = LoraConfig(
        task_type="CAUSAL_LM", r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=lora.target_modules
    )  # fmt: skip
    try:
        model = get_peft_model(load_base(policy, device, sharded=sharded), settings)
    except ValueError as error:
        raise ModelError(
            f"policy.lora.target_modules is {lora.target_modules!r}, which '{policy.model}' cannot adapt: {error}.",
            "Name layers of this model, or 'all-linear'.",
        ) from error
    if policy.checkpointing:
        recompute(model)
    return model, _tokenizer_of(model, policy)


def load_aligned(run: RunFolder, device: torch.device) -> tuple[Any, Any]:
    """The policy of a finished run; ``model.disable_adapter()`` gives its reference."""
    from peft import PeftModel

    policy = run.config.policy
    if not (run.adapter / "adapter_config.json").is_file():
        raise ModelError(
            f"'{run.path}' has no adapter yet.",
            f"Finish the run with `{command('train', run.path / 'config.yaml', '--resume')}`.",
        )
    _check_adapter(run.adapter)
    model = PeftModel.from_pretrained(load_base(policy, device), run.adapter)
    return model, _tokenizer_of(model, policy)


def load_base(policy: Policy, device: torch.device, *, sharded: bool = False) -> Any:
    """The frozen causal language model; an adapter folder comes back merged into its base. See :func:`load_policy`."""
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM, GenerationConfig

    settings: dict[str, Any] = {
        "dtype": dtype_of(policy.dtype, device),
        "trust_remote_code": policy.trust_remote_code,
        "use_safetensors": True,
    }
    try:
        if is_adapter(policy.model):
            _check_adapter(Path(policy.model))
            model = AutoPeftModelForCausalLM.from_pretrained(policy.model, revision=policy.revision, **settings)
            model = model.merge_and_unload()
        else:
            model = AutoModelForCausalLM.from_pretrained(policy.model, revision=policy.revision, **settings)
    except (OSError, ValueError) as error:
        raise ModelError(*explain("policy.model", policy.model, error, "train it with `lenity sft`")) from error
    # Of the model's habits in generation only its end tokens stay: a repetition penalty or a top-k of its own would sample from
    # another distribution than the one whose log-probs are taken.
    model.generation_config = GenerationConfig(eos_token_id=model.generation_config.eos_token_id)
    if sharded and device.type != "cpu":
        return model
    return quicken(model.to(device))


def load_tokenizer(policy: Policy) -> Any:
    """The policy's tokenizer, padding on the left; the end token pads where there is no other (masks tell them apart)."""
    from transformers import AutoTokenizer

    model = policy.model
    if is_adapter(model) and not (Path(model) / "tokenizer_config.json").is_file():
        model = json.loads((Path(model) / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            model, revision=policy.revision, trust_remote_code=policy.trust_remote_code, padding_side="left"
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            *explain("the tokenizer of policy.model", policy.model, error, "save the tokenizer beside the model")
        ) from error
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"the tokenizer of '{policy.model}' has no end-of-sequence token, so no response could end.",
            "Set eos_token and save it.",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _tokenizer_of(model: Any, policy: Policy) -> Any:
    """The tokenizer, whose ``model_max_length`` is the window that the model itself has."""
    tokenizer = load_tokenizer(policy)
    window = getattr(model.get_base_model().config.get_text_config(), "max_position_embeddings", None)
    tokenizer.model_max_length = window or UNLIMITED
    return tokenizer


def merged(policy: Policy, folder: Path) -> Policy:
    """``policy`` itself, or, where it names an adapter, its merged model saved in ``folder``.

    The new adapter then stands on an ordinary model, so that plain ``peft`` can load the pair.
    """
    import torch

    if not is_adapter(policy.model):
        return policy
    if not (folder / "config.json").is_file():
        model, tokenizer = load_base(policy, torch.device("cpu")), load_tokenizer(policy)
        with writing(folder), replacing_folder(folder) as partial:
            model.save_pretrained(partial)
            tokenizer.save_pretrained(partial)
    return policy.model_copy(update={"model": str(folder), "revision": None})


def is_adapter(model: str) -> bool:
    """Whether a local folder holds an adapter and not a whole model."""
    folder = Path(model)
    return (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file()


def _check_adapter(folder: Path) -> None:
    """Without one, peft would go on to ``adapter_model.bin``, a pickle."""
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"the adapter '{folder}' has no adapter_model.safetensors.",
            "Weights must be safetensors; save it again with a recent peft.",
        )
