"""Held-out prompts -> responses of the reference and of the aligned policy -> one row a prompt, policy and objective."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.config.sections import SILENT, Progress
from lenity.data.human_assistant import HUMAN_ASSISTANT
from lenity.distributed import launch
from lenity.evaluation import protocol
from lenity.evaluation.answers import kept
from lenity.evaluation.held_out import HeldOut, held_out_prompts, refuse_trained_on, with_columns
from lenity.evaluation.places import FILE, NOTE
from lenity.evaluation.protocol import Protocol
from lenity.evaluation.rows import generate, load_rewards, raw_columns, rows
from lenity.evaluation.subject import Subject, Which, identity
from lenity.evaluation.trained import Trained
from lenity.runs.config import RunConfig
from lenity.runs.fingerprint import prompts_identity, reward_identity
from lenity.runs.folder import RunFolder, save_config
from lenity.storage.atomic_io import replace_text, replacing, writing
from lenity.storage.lock import locked

if TYPE_CHECKING:
    import pandas as pd

    from lenity.distributed.processes import Processes
    from lenity.rewards.standardise import Standardiser
    from lenity.rollout.transformers import Response


@dataclass(frozen=True)
class _Asked:
    """How a subject is evaluated."""

    config: RunConfig
    cache: Path
    trained: Trained
    processes: Processes
    expected: Mapping[str, Protocol]
    strict: bool
    progress: Progress


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
    """Score a run on its held-out prompts; writes ``evaluation.parquet`` and ``protocol.yaml`` into its folder.

    A second call with the same settings reads the file. Held-out prompts that are among the training prompts are left out, and
    counted in ``protocol.yaml``.

    Args:
        run: a finished run, or with ``checkpoint`` any that has one.
        config: says how; kept in the run's folder. Default: as that says already.
        checkpoint: evaluate the policy of this iteration's checkpoint, or of the ``newest`` one; the files then go to
            ``evaluations/iteration_NNNNNN`` in the run's folder, with the configuration, and the rows name the iteration. The run may be training.
        cache: folder in which runs of one sweep share the reference policy's rows; default: the run folder.
        expected: by name, protocols that the evaluation must keep to.
        trained: training prompts to leave out, of all runs that are compared; default: those of ``run``, and of the sweep in ``cache``.
        strict: refuse held-out prompts that were trained on.
        progress: whether to show how far it is, and how often.

    Raises:
        FolderInUseError: the run is being trained, or evaluated, by another process.
        CheckpointError: there is no such checkpoint.
        DataError: no held-out prompt is left, or with ``strict`` one was trained on or the training prompts cannot be read.
        ProtocolError: it would not; found before the policy answers, and nothing in the run's folder has changed.
    """
    processes = launch.init_distributed(run.config.tolerance.silence)
    with processes.watched():
        subject = Subject.of(run, checkpoint, processes)
        with locked(subject.path) if processes.first else nullcontext():
            chosen = config or run.config
            trained = trained or Trained.of([chosen], cache)
            asked = _Asked(chosen, cache or run.path, trained, processes, expected or {}, strict, progress)
            return _evaluate(subject, asked)


def _evaluate(subject: Subject, asked: _Asked) -> pd.DataFrame:
    import pandas as pd

    config, processes = asked.config, asked.processes
    standardiser = subject.run.standardiser(config).replaced(config.evaluation.standardisation)
    key = _subject_key(subject, asked, standardiser)
    frame, held_out = processes.broadcast_from_first(lambda: _kept(subject, asked, key))
    if frame is None:
        start, held_out = reference_rows(
            config, standardiser, asked.cache, processes,
            trained=asked.trained, expected=asked.expected, strict=asked.strict, progress=asked.progress,
        )  # fmt: skip
    else:
        start = frame[frame["policy"] == "reference"]
    if asked.strict:
        refuse_trained_on(held_out)
    standardiser = standardiser.extended(raw_columns(start))
    made = protocol.of_rows(config, standardiser, start, held_out)
    protocol.check_all(asked.expected, made, str(subject.path))
    processes.wait()  # all have read the configuration as it was
    if processes.first:
        _settle(subject, config)
    if frame is None:
        aligned = _aligned_rows(subject, asked, standardiser, protocol.prompts_of(start))
        frame = _labelled(pd.concat([start, aligned], ignore_index=True), config, subject)
        if processes.first:
            _keep(subject, asked, key, frame, held_out)
    elif frame["method"].iloc[0] != _name(config, subject):  # the method has another label now
        frame = _labelled(frame, config, subject)
        if processes.first:
            _keep(subject, asked, key, frame, held_out)
    if processes.first:
        made.save(subject.path)
    processes.wait()
    subject.run.__dict__.pop("config", None)  # the first may have changed it
    return frame


def reference_rows(
    config: RunConfig,
    standardiser: Standardiser,
    cache: Path,
    processes: Processes,
    *,
    trained: Trained,
    expected: Mapping[str, Protocol] | None = None,
    strict: bool = False,
    progress: Progress = SILENT,
) -> tuple[pd.DataFrame, HeldOut | None]:
    """Rows of the policy with its adapter off, from ``cache`` where model, prompts, decoding, rewards and seed agree; and what was left out.

    Raises:
        DataError: no held-out prompt is left, or with ``strict`` one was trained on; found before the policy answers.
        ProtocolError: prompts, decoding or rewards are not those of each of ``expected``; likewise.
    """
    import pandas as pd

    file = Path(cache) / f"reference-{_key(config, standardiser, [trained.identity])}.parquet"
    note = file.with_suffix(".json")
    known: pd.DataFrame | None = processes.broadcast_from_first(
        lambda: pd.read_parquet(file) if file.is_file() else None
    )
    if known is not None:
        return known, processes.broadcast_from_first(lambda: HeldOut.parse(_read(note)))
    from lenity.models.policy import load_policy

    model, tokenizer = load_policy(config.policy, processes.device)
    rewards = load_rewards(config, processes.device)
    prompts, held_out = held_out_prompts(config, tokenizer, rewards, trained)
    if strict:
        refuse_trained_on(held_out)
    texts = [prompt.text for prompt in prompts]
    made = protocol.of_run(config, standardiser, texts)
    protocol.check_all(expected or {}, made, "what is asked for", protocol.CHOSEN)

    def answer() -> list[Response]:
        with model.disable_adapter():
            return generate(model, tokenizer, texts, config, processes, title="answering, before", progress=progress)

    with kept(Path(cache), [*_answering(config), texts], answer, processes) as responses:
        frame = rows(
            "reference", prompts, responses, rewards,
            config=config, standardiser=standardiser, kl=[0.0] * len(prompts), processes=processes, progress=progress,
        )  # fmt: skip
        if processes.first:
            replace_text(note, json.dumps(held_out.dump()) + "\n")
            write(frame, file)
    return frame, held_out


def _aligned_rows(subject: Subject, asked: _Asked, standardiser: Standardiser, texts: list[str]) -> pd.DataFrame:
    from lenity.evaluation.divergence import log_ratios

    config, processes = asked.config, asked.processes
    model, tokenizer = subject.load(processes.device)
    rewards = load_rewards(config, processes.device)
    prompts = with_columns(texts, config, rewards)
    shown = config.method.shown(texts, subject.run)

    def answer() -> list[Response]:
        return generate(model, tokenizer, shown, config, processes, title="answering, after", progress=asked.progress)

    with kept(subject.path, [*_answering(config), subject.identity(), shown], answer, processes) as responses:
        kl = log_ratios(model, tokenizer, shown, texts, responses, processes=processes, progress=asked.progress)
        return rows(
            "aligned", prompts, responses, rewards,
            config=config, standardiser=standardiser, kl=kl, processes=processes, progress=asked.progress,
        )  # fmt: skip


def _settle(subject: Subject, config: RunConfig) -> None:
    """Keep how it is evaluated: in the run's own configuration, or beside a checkpoint's evaluation."""
    if subject.iteration is not None:
        with writing(subject.path):
            save_config(subject.path, config)
    elif config != subject.run.config:
        subject.run.amend(config)


def _labelled(frame: pd.DataFrame, config: RunConfig, subject: Subject) -> pd.DataFrame:
    """With the method's name, the weights and the seed as the first columns, and the iteration of a checkpoint as the last."""
    names: dict[str, str | int] = {
        "method": _name(config, subject),
        "weights": json.dumps(config.weights),
        "seed": config.seed,
    }
    frame = frame.drop(columns=[name for name in names if name in frame])
    for place, (name, value) in enumerate(names.items()):
        frame.insert(place, name, value)
    if subject.iteration is not None:
        frame["iteration"] = subject.iteration
    return frame


def _name(config: RunConfig, subject: Subject) -> str:
    from lenity.config.base import member_name
    from lenity.rules.base import RULES

    return member_name(config.method, RULES) + subject.label


def _kept(subject: Subject, asked: _Asked, key: str) -> tuple[pd.DataFrame | None, HeldOut | None]:
    """The rows that were written with ``key``, and what was left out: by these training prompts, or by those that are gone now."""
    import pandas as pd

    file, note = subject.path / FILE, _read(subject.path / NOTE)
    if not file.is_file() or note is None or note.get("key") != key:
        return None, None
    if note.get("trained") != asked.trained.identity and not asked.trained.among([])[1]:
        return None, None
    return pd.read_parquet(file), HeldOut.parse(note.get("held_out"))


def _keep(subject: Subject, asked: _Asked, key: str, frame: pd.DataFrame, held_out: HeldOut | None) -> None:
    """Write the rows; cut short, they are known by no key."""
    iteration, note = subject.iteration, subject.path / NOTE
    note.unlink(missing_ok=True)
    write(frame, subject.path / FILE)
    data = {"key": key, "trained": asked.trained.identity, "held_out": held_out.dump() if held_out else None}
    replace_text(note, json.dumps(data | ({} if iteration is None else {"iteration": iteration})) + "\n")


def _read(file: Path) -> dict[str, Any] | None:
    found: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    return found


def _subject_key(subject: Subject, asked: _Asked, standardiser: Standardiser) -> str:
    """:func:`_key` with the adapter and, where prompts may say them, the weights."""
    config = asked.config
    method = config.dump()["method"] | {"label": None}  # a name, which makes no other responses
    said = [config.weights, method] if config.method.builds else []
    return _key(config, standardiser, [subject.identity(), *said])


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
    template = [] if config.template == HUMAN_ASSISTANT else [config.dump()["template"]]
    return [chosen, identity(config.policy.model), settings.decoding(config.rollout), settings.batch_size, *template]


def write(frame: pd.DataFrame, file: Path) -> None:
    """Write a parquet file, whole or not at all."""
    with writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as partial:
            frame.to_parquet(partial, index=False)
