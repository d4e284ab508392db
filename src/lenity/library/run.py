"""A run for Python users: its metrics and samples as tables, its policy, evaluation and publication."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.console.terminal import quietly
from lenity.errors import CheckpointError, ConfigError, ModelError, RewardError
from lenity.library.arguments import arguments, check_given, merged_fields
from lenity.library.inputs import write_all
from lenity.library.messages import naming_arguments
from lenity.library.reward_functions import reward_fields
from lenity.rewards.given import Given, GivenSpec, handed_over
from lenity.runs.changes import EVALUATED, changes
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from lenity.evaluation.subject import Which
    from lenity.evaluation.table import Change


class Run:
    """A training run, as returned by ``Trainer.train`` and :func:`load_run`.

    Attributes:
        path: folder of the run.
    """

    def __init__(self, path: str | os.PathLike[str], functions: Mapping[str, Given] | None = None) -> None:
        self.path = Path(path)
        self._functions = dict(functions or {})

    @property
    def config(self) -> RunConfig:
        """The whole configuration, read from ``config.yaml``."""
        return RunFolder(self.path).config

    @property
    def finished(self) -> bool:
        """Whether the run is complete; False if a callback, a signal or an error stopped it, so that it can be resumed."""
        return RunFolder(self.path).finished

    @property
    def python_rewards(self) -> list[str]:
        """The rewards that are Python functions, without which the run can be neither resumed nor evaluated."""
        config = self.config
        rewards = {**config.rewards, **config.held_out_rewards}
        return [name for name, spec in rewards.items() if isinstance(spec, GivenSpec)]

    @property
    def metrics(self) -> pd.DataFrame:
        """A table with one row per iteration; metrics per objective have columns such as ``reward/helpful`` (docs/metrics.md)."""
        return _table(RunFolder(self.path).metrics())

    @property
    def samples(self) -> pd.DataFrame:
        """A table of sampled responses, one per row, with iteration, prompt, response and raw scores such as ``raw/helpful``."""
        file = self.path / "samples.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        return _table([json.loads(line) for line in lines])

    def policy(self, device: str | torch.device | None = None) -> tuple[Any, Any]:
        """The trained model and its tokenizer; for an unfinished run, the model of its newest checkpoint.

        The model is a ``PeftModel``. Within ``with model.disable_adapter():`` it is the policy before alignment;
        ``model.merge_and_unload()`` returns a plain model.

        Raises:
            ModelError: the run has neither an adapter nor a checkpoint yet.
        """
        import torch

        from lenity.distributed.processes import ALONE
        from lenity.evaluation.subject import Subject

        where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        folder = RunFolder(self.path)
        with naming_arguments(), quietly():
            if not (folder.finished or folder.saved):
                raise ModelError(
                    f"'{self.path}' has neither an adapter nor a checkpoint yet.",
                    "Train it: trainer.train(resume=True).",
                )
            return Subject.of(folder, None if folder.finished else "newest", ALONE).load(where)

    def evaluate(
        self,
        *,
        reward_funcs: Mapping[str, Any] | None = None,
        eval_dataset: Any = None,
        args: Mapping[str, Any] | None = None,
        checkpoint: Which | None = None,
        strict: bool = False,
    ) -> pd.DataFrame:
        """The mean raw score per objective on held-out prompts, before and after alignment, with 95 % intervals.

        ``lenity evaluate`` does the same: it writes the scores of every response to ``evaluation.parquet`` in the run's folder, and the
        evaluation protocol to ``protocol.yaml``. A second call with the same settings reads these files.

        Args:
            reward_funcs: the run's Python reward functions by name; needed if the run was loaded in another process.
            eval_dataset: held-out prompts, in the forms that ``Trainer`` takes; saved with the run. Default: those of the run.
            args: other settings of ``evaluation`` and ``held_out_rewards``, as in ``Trainer``; saved with the run.
            checkpoint: an iteration, or ``"newest"``. Default: the final policy, or the newest checkpoint of an unfinished run.
            strict: refuse held-out prompts that were trained on, instead of leaving them out.

        Returns:
            One row per objective, with the columns ``objective``, ``held_out``; ``before``, ``after`` and ``difference``, each with its
            interval in ``..._low`` and ``..._high``; ``verdict`` (better or worse only if the paired interval excludes 0); ``prompts``.

        Raises:
            LenityError: the run has no held-out prompts, a function is missing, or held-out prompts cannot be used.
        """
        from lenity.evaluation import table
        from lenity.evaluation.score import evaluate

        folder = RunFolder(self.path)
        with naming_arguments([*self.config.rewards, *(reward_funcs if isinstance(reward_funcs, Mapping) else ())]):
            functions = {**self._functions, **self._again(reward_funcs or {})}
            config, more = self._evaluated(eval_dataset, args or {})
            if checkpoint is None and not folder.finished:
                checkpoint = "newest"
            with handed_over({**functions, **more}), quietly():
                if reward_funcs:  # otherwise functions are required only if some responses have no scores yet
                    check_given(config)
                frame = evaluate(folder, config, checkpoint=checkpoint, strict=strict, progress=config.logging)
            self._functions = {**functions, **more}
            return _rows(table.changes(frame))

    def push_to_hub(self, repo: str, **options: Any) -> str:
        """The URL of the commit that uploads the finished run and its model card to ``repo`` (owner/name) on the Hugging Face hub.

        Args:
            repo: name of the repository, which is created if it does not exist.
            options: ``private``, ``revision``, ``base_model`` (the base's hub name, if training read a local copy), ``merge`` and
                ``license``, see :func:`lenity.hub.push_to_hub`.

        Raises:
            HubError: there is no token with write access, the name is invalid, or the hub does not respond.
            CheckpointError: the run is not finished.
        """
        from lenity.hub import push_to_hub

        with naming_arguments():
            return push_to_hub(self.path, repo, **options)

    def _again(self, reward_funcs: Mapping[str, Any]) -> dict[str, Given]:
        """The run's reward functions that the caller passes again, by name."""
        found = reward_fields(reward_funcs)[1] if reward_funcs else {}
        wanted = self.python_rewards
        if strange := [name for name in reward_funcs if name not in wanted]:
            raise RewardError(
                f"reward_funcs has '{strange[0]}', but the rewards of '{self.path}' that are Python functions are {wanted}.",
                "Give only those; add further rewards by args={'held_out_rewards': {...}}.",
            )
        return found

    def _evaluated(self, eval_dataset: Any, args: Mapping[str, Any]) -> tuple[RunConfig, dict[str, Given]]:
        """The run's configuration with the requested settings of evaluation, and the held-out rewards that are functions."""
        if eval_dataset is None and not args:
            return self.config, {}
        before = self.config.dump()
        data = merged_fields(before, args)
        if eval_dataset is not None:
            data.pop("held_out_prompts")
        made = arguments(data, {"eval_dataset": eval_dataset}, None)
        config = made.config(self.path)
        settled = [field for field in changes(before, config.dump()) if field.split(".")[0] not in EVALUATED]
        if settled:
            raise ConfigError(
                f"args['{settled[0]}'] cannot be changed after training.",
                f"Leave it out: evaluate() takes fields of {', '.join(EVALUATED)}.",
            )
        write_all(made.inputs.values(), self.path)
        return config, dict(made.functions)

    def __repr__(self) -> str:
        folder = RunFolder(self.path)
        done = "finished" if folder.finished else f"iteration {folder.saved} of {self.config.iterations} saved"
        needs = f", resumes with the functions {', '.join(self.python_rewards)}" if self.python_rewards else ""
        return f"Run({str(self.path)!r}, {done}{needs})"


def load_run(path: str | os.PathLike[str]) -> Run:
    """The run in a folder that ``Trainer.train`` or ``lenity train`` wrote.

    Raises:
        CheckpointError: the folder is not a run's.
    """
    if not isinstance(path, str | os.PathLike) or not (Path(path) / "config.yaml").is_file():
        raise CheckpointError(f"'{path}' is not the folder of a run: it has no config.yaml.", "Check the path.")
    run = Run(path)
    with naming_arguments():
        _ = run.config
    return run


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.json_normalize(rows, sep="/")


def _rows(found: Sequence[Change]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for change in found:
        row: dict[str, Any] = {"objective": change.objective, "held_out": change.held_out}
        for name in ("before", "after", "difference"):
            interval = getattr(change, name)
            row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row | {"verdict": change.verdict, "prompts": change.prompts})
    return pd.DataFrame(rows)
