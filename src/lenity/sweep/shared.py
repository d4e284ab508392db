"""What all runs of a sweep share is made once, and a later call that names other settings for it is refused."""

from __future__ import annotations

from pathlib import Path

import yaml

from lenity.config.load import parse, read_yaml
from lenity.errors import CheckpointError
from lenity.runs.changes import CONSTANTS, changes, frozen, same_rewards
from lenity.runs.config import RunConfig
from lenity.storage.atomic_io import replace_text, writing

FILE = "shared.yaml"
OWN = "standardisation.file"  # names the folder's own, from wherever it is seen


def agree(config: RunConfig, output: Path) -> None:
    """Refuse settings other than those that the constants and the merged model in ``output`` were made with; put them on record.

    Raises:
        CheckpointError: names them.
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
                f"'{output}' holds some of it, made with other settings: {'; '.join(refused.values())}.",
                "Leave that as it was, choose another --output, or remove what the reason names and the runs that were made with it.",
            )
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
        replace_text(file, yaml.safe_dump(config.dump(), sort_keys=False, allow_unicode=True))
