"""Held-out prompts -> responses of the reference and the aligned policy -> one row per prompt, policy and objective."""

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
from lenity.evaluation.held_out import HeldOut, held_out_prompts, refuse_trained_on, with_columns
from lenity.evaluation.places import FILE, NOTE
from lenity.evaluation.protocol import Protocol
from lenity.evaluation.rows import generate, load_rewards, raw_columns, rows, saved_responses
from lenity.evaluation.subject import Subject, Which, identity
from lenity.evaluation.trained import Trained
from lenity.runs.config import RunConfig
from lenity.runs.fingerprint import prompts_identity, reward_identity
from lenity.runs.folder import RunFolder, save_config
from lenity.storage.atomic_io import replace_table, replace_text, writing
from lenity.storage.lock import locked

if TYPE_CHECKING:
    import pandas as pd

    from lenity.distributed.processes import Processes
    from lenity.rewards.standardise import Standardiser
    from lenity.rollout.transformers import Response


@dataclass(frozen=True)
class _Settings:
    """The arguments of :func:`evaluate`, with its defaults filled in."""

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
            settings = _Settings(chosen, cache or run.path, trained, processes, expected or {}, strict, progress)
            return _evaluate(subject, settings)


def _evaluate(subject: Subject, settings: _Settings) -> pd.DataFrame:
    import pandas as pd

    config, processes = settings.config, settings.processes
    standardiser = subject.run.standardiser(config).replaced(config.evaluation.standardisation)
    key = _subject_key(subject, settings, standardiser)
    frame, held_out = processes.broadcast_from_first(lambda: _load(subject, settings, key))
    if frame is None:
        start, held_out = reference_rows(
            config, standardiser, settings.cache, processes,
            trained=settings.trained, expected=settings.expected, strict=settings.strict, progress=settings.progress,
        )  # fmt: skip
    else:
        start = frame[frame["policy"] == "reference"]
    if settings.strict:
        refuse_trained_on(held_out)
    standardiser = standardiser.extended(raw_columns(start))
    own = protocol.of_rows(config, standardiser, start, held_out)
    protocol.check_all(settings.expected, own, str(subject.path))
    processes.wait()  # until all processes have read the unchanged configuration
    if processes.first:
        _save_config(subject, config)
    if frame is None:
        aligned = _aligned_rows(subject, settings, standardiser, protocol.prompts_of(start))
        frame = _labelled(pd.concat([start, aligned], ignore_index=True), config, subject)
        changed = True
    elif changed := frame["method"].iloc[0] != _name(config, subject):  # the method has a new label
        frame = _labelled(frame, config, subject)
    if processes.first:
        if changed:
            _save(subject, settings, key, frame, held_out)
        own.save(subject.path)
    processes.wait()
    subject.run.__dict__.pop("config", None)  # the first process may have changed it
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
    """Rows of the policy without its adapter, from ``cache`` where everything that they depend on is equal; and the rows left out.

    Raises:
        DataError: no held-out prompt is left, or, with ``strict``, one is a training prompt; raised before generation.
        ProtocolError: prompts, decoding or rewards differ from those of ``expected``; raised before generation.
    """
    import pandas as pd

    file = Path(cache) / f"reference-{_key(config, standardiser, [trained.identity])}.parquet"
    note = file.with_suffix(".json")
    cached: pd.DataFrame | None = processes.broadcast_from_first(
        lambda: pd.read_parquet(file) if file.is_file() else None
    )
    if cached is not None:
        return cached, processes.broadcast_from_first(lambda: HeldOut.parse(_read(note)))
    from lenity.models.policy import load_policy

    model, tokenizer = load_policy(config.policy, processes.device)
    rewards = load_rewards(config, processes.device)
    prompts, held_out = held_out_prompts(config, tokenizer, rewards, trained)
    if strict:
        refuse_trained_on(held_out)
    texts = [prompt.text for prompt in prompts]
    own = protocol.of_run(config, standardiser, texts)
    protocol.check_all(expected or {}, own, "this evaluation", protocol.CHOSEN)

    def answer() -> list[Response]:
        with model.disable_adapter():
            return generate(
                model, tokenizer, texts, config, processes, title="generating, reference policy", progress=progress
            )

    with saved_responses(Path(cache), [*_generation(config), texts], answer, processes) as responses:
        frame = rows(
            "reference", prompts, responses, rewards,
            config=config, standardiser=standardiser, kl=[0.0] * len(prompts), processes=processes, progress=progress,
        )  # fmt: skip
        if processes.first:
            replace_text(note, json.dumps(held_out.dump()) + "\n")
            replace_table(file, frame)
    return frame, held_out


def _aligned_rows(subject: Subject, settings: _Settings, standardiser: Standardiser, texts: list[str]) -> pd.DataFrame:
    from lenity.evaluation.divergence import log_ratios

    config, processes = settings.config, settings.processes
    model, tokenizer = subject.load(processes.device)
    rewards = load_rewards(config, processes.device)
    prompts = with_columns(texts, config, rewards)
    shown = config.method.shown(texts, subject.run)

    def answer() -> list[Response]:
        return generate(
            model, tokenizer, shown, config, processes, title="generating, aligned policy", progress=settings.progress
        )

    with saved_responses(
        subject.path, [*_generation(config), subject.identity(), shown], answer, processes
    ) as responses:
        kl = log_ratios(model, tokenizer, shown, texts, responses, processes=processes, progress=settings.progress)
        return rows(
            "aligned", prompts, responses, rewards,
            config=config, standardiser=standardiser, kl=kl, processes=processes, progress=settings.progress,
        )  # fmt: skip


def _save_config(subject: Subject, config: RunConfig) -> None:
    """Save the configuration: as the run's own, or next to a checkpoint's evaluation."""
    if subject.iteration is not None:
        with writing(subject.path):
            save_config(subject.path, config)
    elif config != subject.run.config:
        subject.run.amend(config)


def _labelled(frame: pd.DataFrame, config: RunConfig, subject: Subject) -> pd.DataFrame:
    """``frame`` with method, weights and seed as its first columns, and a checkpoint's iteration as its last."""
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
    from lenity.runs.method import METHODS

    return member_name(config.method, METHODS) + subject.label


def _load(subject: Subject, settings: _Settings, key: str) -> tuple[pd.DataFrame | None, HeldOut | None]:
    """The rows written under ``key``, for these training prompts or where these cannot be read any more, and the rows left out."""
    import pandas as pd

    file, note = subject.path / FILE, _read(subject.path / NOTE)
    if not file.is_file() or note is None or note.get("key") != key:
        return None, None
    if note.get("trained") != settings.trained.identity and not settings.trained.among([])[1]:
        return None, None
    return pd.read_parquet(file), HeldOut.parse(note.get("held_out"))


def _save(subject: Subject, settings: _Settings, key: str, frame: pd.DataFrame, held_out: HeldOut | None) -> None:
    """Write the rows, and last the note with their key, so that an interrupted write is never read."""
    iteration, note = subject.iteration, subject.path / NOTE
    note.unlink(missing_ok=True)
    replace_table(subject.path / FILE, frame)
    data = {"key": key, "trained": settings.trained.identity, "held_out": held_out.dump() if held_out else None}
    replace_text(note, json.dumps(data | ({} if iteration is None else {"iteration": iteration})) + "\n")


def _read(file: Path) -> dict[str, Any] | None:
    note: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    return note


def _subject_key(subject: Subject, settings: _Settings, standardiser: Standardiser) -> str:
    """A short hash of everything that all rows depend on: :func:`_key` with the adapter and, for some methods, weights and method."""
    config = settings.config
    method = config.dump()["method"] | {"label": None}  # a name alone
    prompted = [config.weights, method] if config.method.loop_rule is None else []  # prompts may contain the weights
    return _key(config, standardiser, [subject.identity(), *prompted])


def _key(config: RunConfig, standardiser: Standardiser, more: Sequence[Any] = ()) -> str:
    """A short hash of everything that the reference policy's rows depend on, and of ``more``."""
    parts = [
        *_generation(config), prompts_identity(config.held_out_prompts) if config.held_out_prompts else None, config.evaluation.limit,
        {name: reward_identity(spec) for name, spec in config.rewards.items()},
        {name: reward_identity(spec) for name, spec in config.held_out_rewards.items()},
        standardiser.means, standardiser.stds, *more,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _generation(config: RunConfig) -> list[Any]:
    """What responses depend on: the reference policy, decoding and batch size."""
    policy, evaluation = config.dump()["policy"], config.evaluation
    chosen = {field: policy[field] for field in ("model", "revision", "dtype")}
    template = [] if config.template == HUMAN_ASSISTANT else [config.dump()["template"]]
    return [
        chosen, identity(config.policy.model), evaluation.decoding(config.rollout), evaluation.batch_size, *template,
    ]  # fmt: skip
