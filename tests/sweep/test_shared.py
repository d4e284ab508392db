"""What all runs of a sweep share: a later call with other settings does not go on with it in silence."""

from __future__ import annotations

import shutil

import pytest

import tiny
from lenity.config.load import override, parse
from lenity.errors import CheckpointError
from lenity.rewards.standardise import Standardiser
from lenity.runs.config import RunConfig
from lenity.sweep import tasks

LONG = {"long": {"type": "function", "function": f"{tiny.__file__}:helpful"}}


@pytest.fixture
def output(tmp_path):
    return tmp_path / "all"


def prepare(config, output, *options):
    settings = {"file": str(output / "standardisation.json"), "prompts": 16}
    data = config.dump() | {"output": str(output / "runs" / "one"), "standardisation": settings}
    output.mkdir(exist_ok=True)
    tasks.prepare(parse(RunConfig, override(data, [str(option) for option in options])).dump(), str(output))


def test_constants_of_other_rewards_are_refused_by_name(tiny_model, tmp_path, output):
    """Also where no run is there, and nothing is evaluated yet."""
    config = tiny.run_config(tiny_model, tmp_path / "run", iterations=1, held_out_rewards=LONG)
    prepare(config, output)
    for field, value in (
        ("rewards.helpful.function", f"{tiny.__file__}:harmless"),
        ("rewards.helpful.sign", -1),
        ("held_out_rewards.long.function", f"{tiny.__file__}:harmless"),
        ("standardisation.prompts", 20),
    ):
        for _ in range(2):  # the second time too
            with pytest.raises(CheckpointError, match=rf"{field} was .* \(the constants in standardisation\.json stay"):
                prepare(config, output, f"--{field}", value)
    moved = shutil.copy(tiny.__file__, tmp_path / "moved.py")
    prepare(
        config,
        output,
        "--rewards.helpful.function",
        f"{moved}:helpful",
        "--seed",
        3,
        "--weights",
        "{helpful: 1, harmless: 0}",
    )
    (output / "standardisation.json").unlink()
    prepare(config, output, "--rewards.helpful.sign", -1)
    assert Standardiser.load(output / "standardisation.json").means["helpful"] < 0, "measured again"


def test_another_adapter_than_the_one_that_was_merged_is_refused(tiny_model, tmp_path, output):
    for name in ("one", "other"):
        tiny.save_adapter(tiny_model, tmp_path / name)
    config = tiny.run_config(tmp_path / "one", tmp_path / "run", iterations=1)
    prepare(config, output)
    with pytest.raises(
        CheckpointError, match=r"policy\.model was .*one' and is .*other' \(the first configuration's adapter"
    ):
        prepare(config, output, "--policy.model", tmp_path / "other")
    prepare(config, output)
