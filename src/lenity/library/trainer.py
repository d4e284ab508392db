"""The trainer that aligns one policy: Python users create it from a model, rewards and prompts; the command line from a YAML file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lenity.console.terminal import quietly
from lenity.errors import ConfigError
from lenity.library.arguments import arguments, check_given, merged_fields
from lenity.library.inputs import write_all
from lenity.library.messages import naming_arguments
from lenity.library.run import Run
from lenity.rewards.given import handed_over
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.training.callbacks import checked

if TYPE_CHECKING:
    import os


class Trainer:
    """Aligns a language model to several preferences at once, by PPO with one value function per reward.

    Its usage follows TRL's trainers, with two differences. Rewards have names, ``weights`` holds the preference weight of each by
    name, and ``method`` combines them. And a run is a folder: :meth:`train` writes configuration, metrics, checkpoints, samples and a
    standard PEFT adapter to ``output``, from which the run can be resumed.

    A data set or model in memory is copied to ``output/inputs``, so that the run can be evaluated, resumed and published from another
    process. A Python function cannot be saved: to resume such a run, pass the function again.

    Args:
        model: hub name or folder of a causal language model or PEFT adapter, or a loaded model. A loaded model is copied and not
            changed; :meth:`Run.policy` returns the trained model.
        processing_class: tokenizer of a loaded ``model``; for a model given by name, its own tokenizer is loaded.
        reward_funcs: rewards by name. A reward is the name or folder of a sequence-classification model, ``module:function``, the name
            of a registered reward, a function ``f(prompts, completions, **columns) -> list[float]`` as in TRL, an object with such a
            method ``score``, or a dict with ``type`` as in a YAML file. Scores are standardised by constants measured on the initial policy.
        weights: preference weights by the same names, at least 0, sum 1; a list is in the order of ``reward_funcs``. Default: equal.
        train_dataset: a ``datasets.Dataset`` with a column ``prompt`` (text or messages), a list of strings, of messages or of such
            rows, a reader, or the name or file of a data set. Other columns are kept, for reward functions.
        eval_dataset: held-out prompts for :meth:`Run.evaluate`, in the same forms.
        method: a name such as ``"plc"`` or ``"linear"``, a dict with ``type``, or a rule such as ``lenity.PLC(temperature=0.1)``.
            Default: PLC.
        args: any other fields of a run (docs/configuration.md), as ``{"ppo.epochs": 2}`` or nested; or a whole ``RunConfig``.
        callbacks: functions that are called after each iteration with its metrics; if one returns ``lenity.STOP``, the run is saved
            and stopped.
        output: folder of the run. Default: ``trainer_output``.

    Attributes:
        config: the whole configuration, as it is written to the run's ``config.yaml``.

    Raises:
        LenityError: an argument is missing or wrong; the message names it.

    Example:
        >>> import lenity
        >>> def polite(prompts, completions):
        ...     return [float("please" in text) for text in completions]
        >>> trainer = lenity.Trainer(
        ...     model="Qwen/Qwen3-0.6B",
        ...     reward_funcs={"helpful": "org/helpful-rm", "polite": polite},
        ...     weights={"helpful": 0.7, "polite": 0.3},
        ...     train_dataset=["How do I boil an egg?"],
        ...     args={"iterations": 200, "ppo.epochs": 2},
        ... )
        >>> trainer.config.ppo.epochs
        2
    """

    def __init__(
        self,
        model: Any = None,
        processing_class: Any = None,
        *,
        reward_funcs: Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | Sequence[float] | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        method: Any = None,
        args: Mapping[str, Any] | RunConfig | None = None,
        callbacks: Sequence[Callable[[dict[str, Any]], Any]] | None = None,
        output: str | os.PathLike[str] | None = None,
    ) -> None:
        given = {
            "model": model, "reward_funcs": reward_funcs, "weights": weights, "train_dataset": train_dataset,
            "eval_dataset": eval_dataset, "method": method, "output": output,
        }  # fmt: skip
        with naming_arguments(reward_funcs if isinstance(reward_funcs, Mapping) else ()):
            self.arguments = arguments(args, given, processing_class)
            folder = self.arguments.fields["output"]
            self.config: RunConfig = self.arguments.config(folder)
            self.callbacks = checked(callbacks)
        self._in_python = True

    @classmethod
    def from_config(
        cls,
        config: RunConfig,
        callbacks: Sequence[Callable[[dict[str, Any]], Any]] | None = None,
        *,
        on_command_line: bool = False,
    ) -> Self:
        """The trainer of a whole configuration; with ``on_command_line``, error messages name fields and ``--options``."""
        trainer = cls(args=config, callbacks=callbacks)
        trainer._in_python = not on_command_line
        return trainer

    @classmethod
    def from_yaml(
        cls,
        path: str | Path,
        args: Mapping[str, Any] | None = None,
        callbacks: Sequence[Callable[[dict[str, Any]], Any]] | None = None,
    ) -> Self:
        """The trainer of a configuration file of ``lenity train``, with the fields of ``args`` replaced."""
        from lenity.config.load import parse, read_yaml

        with naming_arguments():
            config = parse(RunConfig, merged_fields(read_yaml(path), args or {}), source=str(path))
        return cls.from_config(config, callbacks)

    def train(self, resume: bool = False, *, allow_changes: bool = False, gently: bool = False) -> Run:
        """The run, trained to its end or until a callback stopped it.

        Args:
            resume: resume the run in ``output`` from its newest checkpoint, with bitwise the results of an uninterrupted run; start
                it if there is none.
            allow_changes: resume even if the run was started with other settings; the changes are recorded in ``notes.log``.
            gently: on Ctrl-C or SIGTERM, finish the current iteration, save a checkpoint and stop.

        Raises:
            CheckpointError: ``output`` holds a run and ``resume`` is false, or the run there has other data or settings.
            LenityError: another error of the run; see the subclasses.
        """
        from lenity.methods import train

        if not isinstance(resume, bool):
            raise ConfigError(
                f"resume is {resume!r}.", "Give True: the run goes on from the newest checkpoint in output."
            )

        with self._handing_over():
            self._begin(resume, allow_changes=allow_changes)
            folder = train(
                self.config, resume=resume, allow_changes=allow_changes, gently=gently, callbacks=self.callbacks
            )
        return Run(folder.path, self.arguments.functions)

    def _begin(self, resume: bool, *, allow_changes: bool) -> None:
        """Check that the run can start or resume, then write its inputs and a note naming the functions that a resume needs."""
        from lenity.distributed import launch

        check_given(self.config)
        if not (self.arguments.inputs or self.arguments.functions):
            return
        processes, folder = launch.init_distributed(self.config.tolerance.silence), RunFolder(self.config.output)
        with processes.first_before_others():
            if processes.first:
                folder.check(self.config, resume, allow_changes=allow_changes)
                write_all(self.arguments.inputs.values(), folder.path)
                if self.arguments.functions and not folder.started:
                    folder.path.mkdir(parents=True, exist_ok=True)
                    folder.note(f"{_listed(self.arguments.functions)}: to resume, pass them again in Python.")

    @contextmanager
    def _handing_over(self) -> Iterator[None]:
        """A context in which the reward functions can be loaded, errors name arguments, and other libraries show no progress bars."""
        errors = naming_arguments(self.config.rewards) if self._in_python else nullcontext()
        with errors, handed_over(self.arguments.functions), quietly():
            yield

    def __repr__(self) -> str:
        from lenity.config.base import member_name

        method = member_name(self.config.method, self.config.method.open_set)
        return f"Trainer({self.config.policy.model!r}, {method}, weights={self.config.weights}, output={self.config.output!r})"


def _listed(functions: Mapping[str, Any]) -> str:
    return "Rewards that are Python functions: " + ", ".join(
        f"{name} ({given.spec.function})" for name, given in functions.items()
    )
