"""The settings of what all runs of a sweep share, which is made once; a later call with other settings is refused."""

from __future__ import annotations

from pathlib import Path

import yaml

from lenity.config.load import parse, read_yaml
from lenity.errors import CheckpointError
from lenity.runs.changes import CONSTANTS, changes, frozen, same_rewards
from lenity.runs.config import RunConfig
from lenity.storage.atomic_io import replace_text, writing

FILE = "shared.yaml"
OWN = "standardisation.file"  # a path within the sweep folder, which may be written in several ways


def agree(config: RunConfig, output: Path) -> None:
    """Record the settings of ``config`` in ``output``, after checking that its constants and merged model were made with the same.

    Raises:
        CheckpointError: settings differ; the message names them.
    """
    file = output / FILE
    if file.is_file():
        before = parse(RunConfig, read_yaml(file), source=str(file))
        both = [f"held_out_rewards.{name}" for name in before.held_out_rewards if name in config.held_out_rewards]
        idle = {OWN, *same_rewards(before, config)}
        changed = {
            field: text
            for field, text in changes(before.dump(), config.dump()).items()
            if not any(field == name or field.startswith(f"{name}.") for name in idle)
        }
        if refused := frozen(output, changed, (*CONSTANTS, *both)):
            raise CheckpointError(
                f"'{output}' has files that all runs share, made with other settings: {'; '.join(refused.values())}.",
                "Restore those settings, choose another --output, or remove the files named above and the runs made with them.",
            )
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
        replace_text(file, yaml.safe_dump(config.dump(), sort_keys=False, allow_unicode=True))
