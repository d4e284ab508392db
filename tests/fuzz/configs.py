"""Configuration files, data and command lines: read, refused with an error of ours, or written and read back the same."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from hypothesis import strategies as st

from fuzz.hostile import edited, edits, fragments, replaced, values
from lenity.config.load import load, override, parse, read_yaml
from lenity.config.stages import RewardTrainingConfig, SFTConfig
from lenity.judge.config import JudgeConfig
from lenity.judge.rubrics import choose
from lenity.pareto.weights import points
from lenity.runs.config import RunConfig
from lenity.sweep.config import SweepConfig, load_sweep
from lenity.sweep.plan import plan

COMMITTED = Path(__file__).parents[2] / "configs"
JUDGE = "{endpoint: http://127.0.0.1:8000/v1, model: m, objectives: [helpful], extra: {top_k: 1}}\n"
BOMB = (
    "a0: &a0 [x, x]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    + "seed: *a11\n"
)

Reader = Callable[[Path, list[str]], Any]


def _kind(file: Path) -> type:
    kinds = {"_sft": SFTConfig, "_reward_": RewardTrainingConfig, "sweep_": SweepConfig}
    return next((model for part, model in kinds.items() if part in file.name), RunConfig)


def _reader(model: type) -> Reader:
    return load_sweep if model is SweepConfig else lambda path, overrides: load(model, path, overrides)


_FILES = [(_kind(file), file.read_text(encoding="utf-8")) for file in sorted(COMMITTED.glob("*.yaml"))]
TEXTS = [*_FILES, (JudgeConfig, JUDGE), (RunConfig, BOMB), (JudgeConfig, f"extra:\n  {BOMB}"), (RunConfig, "")]
DATA = [(model, yaml.safe_load(text)) for model, text in TEXTS[: len(_FILES) + 1] if model is not SweepConfig]
DATA += [(SweepConfig, {"run": DATA[0][1], "methods": ["plc", "linear"], "seeds": [0], "points": ["centre"]})]
OPTIONS = ["seed", "output", "method", "method.name", "method.label", "preset", "weights", "weights.helpful", "rewards", "rewards.helpful.kind",
           "ppo.epochs", "ppo", "kl.coefficient", "policy.model", "evaluation.reference.point", "", ".", "a..b", "data.subset", "held_out_rewards"]  # fmt: skip

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
_folder = Path(tempfile.mkdtemp(prefix="lenity-fuzz-", dir=MEMORY))
shutil.copytree(COMMITTED, _folder, dirs_exist_ok=True)  # sweeps name their run's file
_numbers = itertools.count()

options = st.just([]) | st.lists(
    st.builds("--{}{}{}".format, st.sampled_from(OPTIONS) | fragments, st.sampled_from(["=", ""]), fragments) | fragments, max_size=3
)  # fmt: skip
files = st.tuples(
    st.sampled_from(TEXTS), st.lists(edits, max_size=2), st.just(b"") | st.binary(max_size=2), st.integers(0, 2**16), options
)  # fmt: skip
documents = st.tuples(
    st.sampled_from([RunConfig, JudgeConfig, SFTConfig, None]), st.lists(fragments, max_size=6).map(" ".join), options
)
data = st.tuples(
    st.sampled_from(DATA), st.lists(st.tuples(st.lists(st.integers(0, 40), min_size=1, max_size=4), values, st.none() | fragments), max_size=2), options
)  # fmt: skip


def _write(content: bytes) -> Path:
    file = _folder / f"{next(_numbers) % 8}.yaml"
    file.write_bytes(content)
    return file


def read_file(given: Any) -> None:
    """A committed file after random edits of its text and its bytes."""
    (model, text), steps, junk, at, overrides = given
    content = edited(text, steps).encode("utf-8", errors="surrogatepass")
    at %= len(content) + 1
    _keeps(model, _reader(model)(_write(content[:at] + junk + content[at + len(junk) :]), overrides))


def read_document(given: Any) -> None:
    """Random YAML, as a configuration or as the judge's rubrics."""
    model, text, overrides = given
    file = _write(text.encode("utf-8", errors="surrogatepass"))
    if model is None:
        assert all(rubric.strip() for rubric in choose(None, ["helpful"], str(file)).values())
    else:
        _keeps(model, load(model, file, overrides))


def read_data(given: Any) -> None:
    """What a committed file holds, after random changes to its values and names."""
    (model, base), changes, overrides = given
    for path, value, rename in changes:
        base = replaced(base, path, value, rename)
    _keeps(model, parse(model, override(base, overrides) if isinstance(base, dict) else base))


def _keeps(model: type, config: Any) -> None:
    """What is accepted is written and read back to the same, and its names stay inside their folder."""
    written = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    assert parse(model, read_yaml(_write(written.encode()))) == config
    run = config.run if isinstance(config, SweepConfig) else config
    for name in [*getattr(run, "rewards", ()), *getattr(run, "held_out_rewards", ())]:
        assert PurePosixPath("folder", name).parent == PurePosixPath("folder") and name != ".."
    if isinstance(config, SweepConfig):
        for planned in plan(
            run,
            config.methods,
            points(list(run.rewards), config.points),
            Path("folder"),
            config.seeds,
            tokens=config.tokens,
        ):
            assert Path(planned.output).parts[:2] == ("folder", "runs") and ".." not in Path(planned.output).parts


CONFIGS = st.one_of(
    files.map(lambda given: (read_file, given)), data.map(lambda given: (read_data, given)), documents.map(lambda given: (read_document, given))
)  # fmt: skip


def read_config(given: Any) -> None:
    """One input of any of the three kinds."""
    read, what = given
    read(what)
