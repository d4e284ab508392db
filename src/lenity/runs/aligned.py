"""The aligned policy of a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lenity.config.suggest import command
from lenity.errors import ModelError
from lenity.models.policy import load_base, tokenizer_of
from lenity.models.saved_adapter import put_on, settings_of
from lenity.runs.folder import RunFolder

if TYPE_CHECKING:
    import torch


def load_aligned(run: RunFolder, device: torch.device) -> tuple[Any, Any]:
    """The policy of a finished run, whose ``disable_adapter()`` gives the reference policy, and its tokenizer.

    Raises:
        ModelError: the run has no adapter yet.
    """
    policy = run.config.policy
    if not (run.adapter / "adapter_config.json").is_file():
        raise ModelError(
            f"'{run.path}' has no adapter yet.",
            f"Finish the run with `{command('train', run.path / 'config.yaml', '--resume')}`.",
        )
    settings_of(run.adapter)
    model = put_on(load_base(policy, device), run.adapter)
    return model, tokenizer_of(model, policy)
