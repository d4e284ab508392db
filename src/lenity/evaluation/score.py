"""Held-out prompts -> responses of the reference and of the aligned policy -> one row a prompt, policy and objective."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity import launch
from lenity.config.run import RunConfig
from lenity.config.sections import SILENT, Progress
from lenity.durable import replace_text, replacing, writing
from lenity.evaluation import protocol
from lenity.evaluation.answers import kept
from lenity.evaluation.fingerprint import prompts_identity, reward_identity
from lenity.evaluation.protocol import Protocol
from lenity.evaluation.rows import generate, held_out_prompts, load_rewards, raw_columns, rows
from lenity.lock import locked
from lenity.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from lenity.processes import Processes
    from lenity.rewards.standardise import Standardiser
    from lenity.rollout.transformers import Response

FILE, NOTE = "evaluation.parquet", "evaluation.json"


def evaluate(
    run: RunFolder,
    config: RunConfig | None = None,
    *,
    cache: Path | None = None,
    expected: Mapping[str, Protocol] | None = None,
    progress: Progress = SILENT,
) -> pd.DataFrame:
    """Score a run on its held-out prompts; writes ``evaluation.parquet`` and ``protocol.yaml`` into its folder.

    A second call with the same settings reads the file.

    Args:
        run: a finished run.
        config: says how; kept in the run's folder. Default: as that says already.
        cache: folder in which runs of one sweep share the reference policy's rows; default: the run folder.
        expected: by name, protocols that the evaluation must keep to.
        progress: whether to show how far it is, and how often.

    Raises:
        FolderInUseError: the run is being trained, or evaluated, by another process.
        ProtocolError: it would not; found before the policy answers, and nothing in the run's folder has changed.
    """
    processes = launch.meet(run.config.tolerance.silence)
    with processes.watched(), locked(run.path) if processes.first else nullcontext():
        chosen = config or run.config
        return _evaluate(run, chosen, cache or run.path, expected or {}, processes, progress=progress)


def _evaluate(
    run: RunFolder,
    config: RunConfig,
    cache: Path,
    expected: Mapping[str, Protocol],
    processes: Processes,
    *,
    progress: Progress,
) -> pd.DataFrame:
    import pandas as pd

    standardiser = run.standardiser().replaced(config.evaluation.standardisation)
    key = _run_key(run, config, standardiser)
    frame = processes.told(lambda: _kept(run, key))
    if frame is None:
        start = reference_rows(config, standardiser, cache, processes, expected=expected, progress=progress)
    else:
        start = frame[frame["policy"] == "reference"]
    standardiser = standardiser.extended(raw_columns(start))
    made = protocol.of_rows(config, standardiser, start)
    protocol.check_all(expected, made, str(run.path))
    processes.wait()  # all have read the configuration as it was
    if config != run.config and processes.first:
        run.amend(config)
    if frame is None:
        aligned = _aligned_rows(run, config, standardiser, processes, progress)
        frame = _labelled(pd.concat([start, aligned], ignore_index=True), config)
        if processes.first:
            _keep(run, key, frame)
    elif frame["method"].iloc[0] != _name(config):  # the method has another label now
        frame = _labelled(frame, config)
        if processes.first:
            _keep(run, key, frame)
    if processes.first:
        made.save(run.path)
    processes.wait()
    run.__dict__.pop("config", None)  # the first may have changed it
    return frame


def reference_rows(
    config: RunConfig,
    standardiser: Standardiser,
    cache: Path,
    processes: Processes,
    *,
    expected: Mapping[str, Protocol] | None = None,
    progress: Progress = SILENT,
) -> pd.DataFrame:
    """Rows of the policy with its adapter off, from ``cache`` where model, prompts, decoding, rewards and seed agree.

    Raises:
        ProtocolError: prompts, decoding or rewards are not those of each of ``expected``; found before the policy answers.
    """
    import pandas as pd

    file = Path(cache) / f"reference-{_key(config, standardiser)}.parquet"
    known: pd.DataFrame | None = processes.told(lambda: pd.read_parquet(file) if file.is_file() else None)
    if known is not None:
        return known
    from lenity.models.policy import load_policy

    model, tokenizer = load_policy(config.policy, processes.device)
    rewards = load_rewards(config, processes.device)
    prompts = held_out_prompts(config, tokenizer, rewards)
    made = protocol.of_run(config, standardiser, prompts)
    protocol.check_all(expected or {}, made, "what is asked for", protocol.CHOSEN)

    def answer() -> list[Response]:
        with model.disable_adapter():
            return generate(model, tokenizer, prompts, config, processes, title="answering, before", progress=progress)

    with kept(Path(cache), [*_answering(config), prompts], answer, processes) as responses:
        frame = rows(
            "reference", prompts, responses, rewards,
            config=config, standardiser=standardiser, kl=[0.0] * len(prompts), processes=processes, progress=progress,
        )  # fmt: skip
        if processes.first:
            write(frame, file)
    return frame


def _aligned_rows(
    run: RunFolder, config: RunConfig, standardiser: Standardiser, processes: Processes, progress: Progress
) -> pd.DataFrame:
    from lenity.evaluation.divergence import log_ratios
    from lenity.models.policy import load_aligned

    model, tokenizer = load_aligned(run, processes.device)
    rewards = load_rewards(config, processes.device)
    prompts = held_out_prompts(config, tokenizer, rewards)
    shown = config.method.shown(prompts, run)

    def answer() -> list[Response]:
        return generate(model, tokenizer, shown, config, processes, title="answering, after", progress=progress)

    with kept(run.path, [*_answering(config), _identity(run.adapter), shown], answer, processes) as responses:
        kl = log_ratios(model, tokenizer, shown, prompts, responses, processes=processes, progress=progress)
        return rows(
            "aligned", prompts, responses, rewards,
            config=config, standardiser=standardiser, kl=kl, processes=processes, progress=progress,
        )  # fmt: skip


def _labelled(frame: pd.DataFrame, config: RunConfig) -> pd.DataFrame:
    """With the method's name, the weights and the seed as the first columns."""
    names: dict[str, str | int] = {"method": _name(config), "weights": json.dumps(config.weights), "seed": config.seed}
    frame = frame.drop(columns=[name for name in names if name in frame])
    for place, (name, value) in enumerate(names.items()):
        frame.insert(place, name, value)
    return frame


def _name(config: RunConfig) -> str:
    from lenity.aggregation.base import RULES
    from lenity.config.base import member_name

    return member_name(config.method, RULES)


def _kept(run: RunFolder, key: str) -> pd.DataFrame | None:
    """The rows that were written with ``key``."""
    import pandas as pd

    file, note = run.path / FILE, run.path / NOTE
    if file.is_file() and note.is_file() and json.loads(note.read_text(encoding="utf-8")).get("key") == key:
        return pd.read_parquet(file)
    return None


def _keep(run: RunFolder, key: str, frame: pd.DataFrame) -> None:
    """Write the rows; cut short, they are known by no key."""
    note = run.path / NOTE
    note.unlink(missing_ok=True)
    write(frame, run.path / FILE)
    replace_text(note, json.dumps({"key": key}) + "\n")


def _run_key(run: RunFolder, config: RunConfig, standardiser: Standardiser) -> str:
    """:func:`_key` with the adapter and, where prompts may say them, the weights."""
    method = config.dump()["method"] | {"label": None}  # a name, which makes no other responses
    asked = [config.weights, method] if config.method.builds else []
    return _key(config, standardiser, [_identity(run.adapter), *asked])


def _key(config: RunConfig, standardiser: Standardiser, more: Sequence[Any] = ()) -> str:
    """What the rows depend on, as a short hash."""
    parts = [
        *_answering(config), prompts_identity(config.held_out_prompts) if config.held_out_prompts else None, config.evaluation.limit,
        {name: reward_identity(spec) for name, spec in config.rewards.items()},
        {name: reward_identity(spec) for name, spec in config.held_out_rewards.items()},
        standardiser.means, standardiser.stds, *more,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _answering(config: RunConfig) -> list[Any]:
    """The reference policy, and how responses are made."""
    policy, settings = config.dump()["policy"], config.evaluation
    chosen = {field: policy[field] for field in ("model", "revision", "dtype")}
    return [chosen, _identity(config.policy.model), settings.decoding(config.rollout), settings.batch_size]


def _identity(model: str | Path) -> list[Any]:
    """Names, sizes and times of a local model's files; nothing for a hub name, whose revision says it."""
    folder = Path(model)
    if not str(model) or not folder.is_dir():
        return []
    return [
        [f.name, f.stat().st_size, f.stat().st_mtime_ns]
        for f in sorted(folder.iterdir())
        if f.suffix in {".safetensors", ".bin", ".json"}
    ]


def write(frame: pd.DataFrame, file: Path) -> None:
    """Write a parquet file, whole or not at all."""
    with writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as partial:
            frame.to_parquet(partial, index=False)
