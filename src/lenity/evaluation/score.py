"""Held-out prompts -> responses of the reference and the aligned policy -> one row per prompt, policy and objective."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.config.base import dump_member, member_name
from lenity.config.sections import SILENT, Progress
from lenity.distributed import launch
from lenity.evaluation import protocol
from lenity.evaluation.held_out import HeldOut, held_out_prompts, refuse_trained_on, with_columns
from lenity.evaluation.measurement import Measurement
from lenity.evaluation.places import FILE, NOTE
from lenity.evaluation.protocol import Protocol
from lenity.evaluation.rows import Scorer, generate, raw_columns, saved_responses
from lenity.evaluation.subject import Subject, Which
from lenity.evaluation.trained import Trained
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder, save_config
from lenity.runs.method import METHODS, Method
from lenity.storage.atomic_io import replace_table, replace_text, writing
from lenity.storage.lock import locked

if TYPE_CHECKING:
    import pandas as pd

    from lenity.distributed.processes import Processes
    from lenity.rewards.standardise import Standardiser
    from lenity.rollout.transformers import Response


@dataclass(frozen=True)
class Conditions:
    """How an evaluation is carried out and what it must keep to: the arguments of :func:`evaluate`, with its defaults filled in."""

    cache: Path
    trained: Trained
    processes: Processes
    expected: Mapping[str, Protocol] = field(default_factory=dict)
    strict: bool = False
    progress: Progress = SILENT


def evaluate(
    run: RunFolder,
    config: RunConfig | None = None,
    *,
    checkpoint: Which | None = None,
    cache: Path | None = None,
    expected: Mapping[str, Protocol] | None = None,
    trained: Trained | None = None,
    strict: bool = False,
    progress: Progress = SILENT,
) -> pd.DataFrame:
    """One row per held-out prompt, policy and objective; written to ``evaluation.parquet``, with ``protocol.yaml``, in the run's folder.

    A second call with the same settings reads the file. Held-out prompts that are training prompts are left out and counted in
    ``protocol.yaml``.

    Args:
        run: a finished run; with ``checkpoint``, any run that has one.
        config: the configuration to evaluate with, saved in the run's folder; default: the run's own.
        checkpoint: evaluate the policy of this iteration's checkpoint, or of the ``newest``. The files, with the configuration, then go to
            ``evaluations/iteration_NNNNNN`` in the run's folder, and the rows hold the iteration. Training may be going on.
        cache: folder in which the runs of a sweep share the reference policy's rows; default: the run folder.
        expected: by name, protocols that the evaluation must match.
        trained: the training prompts, to leave out, of all runs that are compared; default: those of ``run`` and of the sweep in ``cache``.
        strict: refuse held-out prompts that are training prompts.
        progress: whether to show progress, and seconds between lines.

    Raises:
        FolderInUseError: another process is training or evaluating the run.
        CheckpointError: there is no such checkpoint.
        DataError: no held-out prompt is left, or, with ``strict``, one is a training prompt or the training prompts cannot be read.
        ProtocolError: the protocol differs from those expected; raised before generation, with the run's folder unchanged.
    """
    processes = launch.init_distributed(run.config.tolerance.silence)
    with processes.watched():
        subject = Subject.of(run, checkpoint, processes)
        with locked(subject.path) if processes.first else nullcontext():
            chosen = config or run.config
            trained = trained or Trained.of([chosen], cache)
            conditions = Conditions(cache or run.path, trained, processes, expected or {}, strict, progress)
            return _evaluate(subject, chosen, conditions)


def _evaluate(subject: Subject, config: RunConfig, conditions: Conditions) -> pd.DataFrame:
    import pandas as pd

    measurement, processes = Measurement.of(config), conditions.processes
    names = _names(config.method, config.weights, config.seed, subject)
    standardiser = subject.run.standardiser(config).replaced(config.evaluation.standardisation)
    key = measurement.key(standardiser, [subject.identity(), *_prompted(config.method, config.weights)])
    frame, held_out = processes.broadcast_from_first(lambda: _load(subject, conditions.trained, key))
    if frame is None:
        start, held_out = reference_rows(measurement, standardiser, conditions)
    else:
        start = frame[frame["policy"] == "reference"]
    if conditions.strict:
        refuse_trained_on(held_out)
    standardiser = standardiser.extended(raw_columns(start))
    own = protocol.of_rows(measurement, standardiser, start, held_out)
    own = own.model_copy(update={"weights": [config.weights], "seeds": [config.seed]})
    protocol.check_all(conditions.expected, own, str(subject.path))
    processes.wait()  # until all processes have read the unchanged configuration
    if processes.first:
        _save_config(subject, config)
    if frame is None:
        texts = protocol.prompts_of(start)
        shown = config.method.shown(texts, subject.run)
        aligned = _aligned_rows(subject, measurement, standardiser, conditions, texts, shown=shown)
        frame = _labelled(pd.concat([start, aligned], ignore_index=True), names, subject.iteration)
        changed = True
    elif changed := frame["method"].iloc[0] != names["method"]:  # the method has a new label
        frame = _labelled(frame, names, subject.iteration)
    if processes.first:
        if changed:
            _save(subject, conditions.trained, key, frame, held_out)
        own.save(subject.path)
    processes.wait()
    subject.run.__dict__.pop("config", None)  # the first process may have changed it
    return frame


def reference_rows(
    measurement: Measurement, standardiser: Standardiser, conditions: Conditions
) -> tuple[pd.DataFrame, HeldOut | None]:
    """Rows of the policy without its adapter, from the cache where everything that they depend on is equal; and the rows left out.

    Raises:
        DataError: no held-out prompt is left, or, with ``strict``, one is a training prompt; raised before generation.
        ProtocolError: prompts, decoding or rewards differ from those expected; raised before generation.
    """
    import pandas as pd

    processes, trained, progress = conditions.processes, conditions.trained, conditions.progress
    file = conditions.cache / f"reference-{measurement.key(standardiser, [trained.identity])}.parquet"
    note = file.with_suffix(".json")
    cached: pd.DataFrame | None = processes.broadcast_from_first(
        lambda: pd.read_parquet(file) if file.is_file() else None
    )
    if cached is not None:
        return cached, processes.broadcast_from_first(lambda: HeldOut.parse(_read(note)))
    from lenity.models.policy import load_policy

    model, tokenizer = load_policy(measurement.policy, processes.device)
    rewards = measurement.load_rewards(processes.device)
    prompts, held_out = held_out_prompts(measurement, tokenizer, rewards, trained)
    if conditions.strict:
        refuse_trained_on(held_out)
    texts = [prompt.text for prompt in prompts]
    own = protocol.of_prompts(measurement, standardiser, texts)
    protocol.check_all(conditions.expected, own, "this evaluation", protocol.CHOSEN)

    def answer() -> list[Response]:
        with model.disable_adapter():
            return generate(
                model, tokenizer, texts, measurement, processes, title="generating, reference policy", progress=progress
            )

    scorer = Scorer(rewards, measurement.held_out_rewards, standardiser, processes, progress)
    with saved_responses(conditions.cache, [*measurement.generation(), texts], answer, processes) as responses:
        frame = scorer.rows("reference", prompts, responses, [0.0] * len(prompts))
        if processes.first:
            replace_text(note, json.dumps(held_out.dump()) + "\n")
            replace_table(file, frame)
    return frame, held_out


def _aligned_rows(
    subject: Subject,
    measurement: Measurement,
    standardiser: Standardiser,
    conditions: Conditions,
    texts: list[str],
    *,
    shown: list[str],
) -> pd.DataFrame:
    """The aligned policy's rows on the prompts ``texts``, which its method shows it as ``shown``."""
    from lenity.evaluation.divergence import log_ratios

    processes, progress = conditions.processes, conditions.progress
    model, tokenizer = subject.load(processes.device)
    rewards = measurement.load_rewards(processes.device)
    prompts = with_columns(texts, measurement, rewards)

    def answer() -> list[Response]:
        return generate(
            model, tokenizer, shown, measurement, processes, title="generating, aligned policy", progress=progress
        )

    scorer = Scorer(rewards, measurement.held_out_rewards, standardiser, processes, progress)
    parts = [*measurement.generation(), subject.identity(), shown]
    with saved_responses(subject.path, parts, answer, processes) as responses:
        kl = log_ratios(model, tokenizer, shown, texts, responses, processes=processes, progress=progress)
        return scorer.rows("aligned", prompts, responses, kl)


def _save_config(subject: Subject, config: RunConfig) -> None:
    """Save the configuration: as the run's own, or next to a checkpoint's evaluation."""
    if subject.iteration is not None:
        with writing(subject.path):
            save_config(subject.path, config)
    elif config != subject.run.config:
        subject.run.amend(config)


def _names(method: Method, weights: Mapping[str, float], seed: int, subject: Subject) -> dict[str, str | int]:
    """What a run's rows are called by: method, weights and seed."""
    name = member_name(method, METHODS) + subject.label
    return {"method": name, "weights": json.dumps(weights), "seed": seed}


def _labelled(frame: pd.DataFrame, names: Mapping[str, str | int], iteration: int | None) -> pd.DataFrame:
    """``frame`` with ``names`` as its first columns, and a checkpoint's iteration as its last."""
    frame = frame.drop(columns=[name for name in names if name in frame])
    for place, (name, value) in enumerate(names.items()):
        frame.insert(place, name, value)
    if iteration is not None:
        frame["iteration"] = iteration
    return frame


def _load(subject: Subject, trained: Trained, key: str) -> tuple[pd.DataFrame | None, HeldOut | None]:
    """The rows written under ``key``, for these training prompts or where these cannot be read any more, and the rows left out."""
    import pandas as pd

    file, note = subject.path / FILE, _read(subject.path / NOTE)
    if not file.is_file() or note is None or note.get("key") != key:
        return None, None
    if note.get("trained") != trained.identity and not trained.among([])[1]:
        return None, None
    return pd.read_parquet(file), HeldOut.parse(note.get("held_out"))


def _save(subject: Subject, trained: Trained, key: str, frame: pd.DataFrame, held_out: HeldOut | None) -> None:
    """Write the rows, and last the note with their key, so that an interrupted write is never read."""
    iteration, note = subject.iteration, subject.path / NOTE
    note.unlink(missing_ok=True)
    replace_table(subject.path / FILE, frame)
    data = {"key": key, "trained": trained.identity, "held_out": held_out.dump() if held_out else None}
    replace_text(note, json.dumps(data | ({} if iteration is None else {"iteration": iteration})) + "\n")


def _read(file: Path) -> dict[str, Any] | None:
    note: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    return note


def _prompted(method: Method, weights: Mapping[str, float]) -> list[Any]:
    """What the aligned policy's rows depend on besides its adapter, as JSON data: prompts of some methods contain the weights."""
    if method.loop_rule is not None:
        return []
    return [weights, dump_member(method, METHODS) | {"label": None}]  # a label is a name alone
