"""A run as Python users read it: metrics and samples as tables, the policy, its evaluation, its publication."""

from __future__ import annotations

import json
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
    import os

    import pandas as pd
    import torch

    from lenity.evaluation.subject import Which
    from lenity.evaluation.table import Change


class Run:
    """One run: what ``Trainer.train`` returns and :func:`load_run` reads.

    Attributes:
        path: its folder.
    """

    def __init__(self, path: str | os.PathLike[str], functions: Mapping[str, Given] | None = None) -> None:
        self.path = Path(path)
        self._functions = dict(functions or {})

    @property
    def config(self) -> RunConfig:
        """The whole configuration, as ``config.yaml`` has it."""
        return RunFolder(self.path).config

    @property
    def finished(self) -> bool:
        """Whether it ran to its end; False where a callback, a signal or an error ended it earlier, and it can be resumed."""
        return RunFolder(self.path).finished

    @property
    def python_rewards(self) -> list[str]:
        """The rewards that are Python functions, without which the run can be neither resumed nor evaluated."""
        config = self.config
        rewards = {**config.rewards, **config.held_out_rewards}
        return [name for name, spec in rewards.items() if isinstance(spec, GivenSpec)]

    @property
    def metrics(self) -> pd.DataFrame:
        """One row per iteration; what is by objective has columns such as ``reward/helpful`` (docs/metrics.md)."""
        return _table(RunFolder(self.path).metrics())

    @property
    def samples(self) -> pd.DataFrame:
        """Some responses of each iteration, one per row: iteration, prompt, response, and raw scores such as ``raw/helpful``."""
        file = self.path / "samples.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        return _table([json.loads(line) for line in lines])

    def policy(self, device: str | torch.device | None = None) -> tuple[Any, Any]:
        """The trained model and its tokenizer; of a run that has not ended, those of its newest checkpoint.

        The model is a ``PeftModel``: ``model.disable_adapter()`` is the context in which it is the policy before alignment, and
        ``model.merge_and_unload()`` the plain model.

        Raises:
            ModelError: there is neither an adapter nor a checkpoint yet.
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
        """Mean raw score of each objective on held-out prompts, before and after alignment, with 95 % intervals.

        It is what ``lenity evaluate`` does: the scores of every response are in ``evaluation.parquet`` of the run's folder, and
        ``protocol.yaml`` says how they were measured. A second call with the same settings reads the file.

        Args:
            reward_funcs: by name, the Python functions that the run was made with, where it was loaded in another process.
            eval_dataset: held-out prompts, in the forms of ``Trainer``; kept with the run. Default: those of the run.
            args: other settings of ``evaluation`` and ``held_out_rewards``, as in ``Trainer``; kept with the run.
            checkpoint: an iteration, or ``"newest"``. Default: the end, or the newest checkpoint of a run that has not ended.
            strict: refuse held-out prompts that were trained on, instead of leaving them out.

        Returns:
            One row per objective: ``objective``, ``held_out``, ``before``, ``after`` and ``difference``, each of these three with its
            interval in ``..._low`` and ``..._high``, ``verdict`` (better or worse only where the paired interval excludes 0), ``prompts``.

        Raises:
            LenityError: there is nothing to evaluate on, a function is missing, or held-out prompts cannot be used.
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
                if reward_funcs:  # else they are asked for where something is left to score
                    check_given(config)
                frame = evaluate(folder, config, checkpoint=checkpoint, strict=strict, progress=config.logging)
            self._functions = {**functions, **more}
            return _rows(table.changes(frame))

    def push_to_hub(self, repo: str, **options: Any) -> str:
        """The address of the commit that publishes the finished run in ``repo`` (owner/name) of the Hugging Face hub, with its card.

        Args:
            repo: made where it is missing.
            options: ``private``, ``revision``, ``base_model`` (hub name of the base where training read a local copy), ``merge`` and
                ``license``, see :func:`lenity.hub.push_to_hub`.

        Raises:
            HubError: no token, or one that may not write; a wrong name; a hub that does not answer.
            CheckpointError: the run is not finished.
        """
        from lenity.hub import push_to_hub

        with naming_arguments():
            return push_to_hub(self.path, repo, **options)

    def _again(self, reward_funcs: Mapping[str, Any]) -> dict[str, Given]:
        """The functions of the run that are given again."""
        found = reward_fields(reward_funcs)[1] if reward_funcs else {}
        wanted = self.python_rewards
        if strange := [name for name in reward_funcs if name not in wanted]:
            raise RewardError(
                f"reward_funcs has '{strange[0]}', and the rewards of '{self.path}' that are Python functions are {wanted}.",
                "Give those alone; further rewards go into args={'held_out_rewards': {...}}.",
            )
        return found

    def _evaluated(self, eval_dataset: Any, args: Mapping[str, Any]) -> tuple[RunConfig, dict[str, Given]]:
        """The run's configuration, evaluated as is asked; and held-out rewards that are functions."""
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
        CheckpointError: there is none.
    """
    if not (Path(path) / "config.yaml").is_file():
        raise CheckpointError(f"'{path}' is no folder of a run: it has no config.yaml.", "Check the path.")
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
