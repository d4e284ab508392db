"""Every error Lenity raises on purpose.

::

    LenityError
    ├── ConfigError      a field of the configuration: unknown, of the wrong type, out of range
    │   └── WrongWeightsError  weights at which the method cannot be run
    ├── DataError        a data set: not found, empty, without the named columns
    ├── ModelError       a model or adapter: not found, of an unsupported kind
    ├── RewardError      a reward: failing, NaN, infinite, missing, of the wrong length, constant
    │   └── ScoreCountError    a Python function that returned other than one score per completion
    ├── CheckpointError  a run folder or checkpoint: missing, torn, of another run
    │   └── FolderInUseError   another process works in the folder
    ├── NumericalError   losses, gradients or weights that are not finite, too often to go on
    ├── ResourceError    memory that is too small even for one response at a time
    ├── ProcessError     another process of the run that ended or fell silent
    ├── ProtocolError    results that must not be compared
    ├── EngineError      a rollout engine: not installed, not reachable, giving other than responses
    ├── JudgeError       a judge's endpoint: refusing, dead, not OpenAI-compatible
    ├── HubError         a model hub: refusing, dead, or asked to take what must not be published
    └── StoppedError     a run that was asked to end, and has saved everything

Each says what is wrong, naming the field and the value found, and what to do about it. The command line prints the two on two
lines and exits with ``exit_code``; docs/reliability.md has the codes.
"""

from __future__ import annotations


class LenityError(Exception):
    """Base of all errors a user can act on; the command line prints it without a traceback.

    Args:
        what: is wrong, as a sentence that names the field and the value found.
        remedy: what to do, as a sentence; empty where ``what`` lists several problems with theirs.
    """

    exit_code = 2

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what, self.remedy = what, remedy

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}".strip()


class ConfigError(LenityError):
    """The configuration is wrong."""


class WrongWeightsError(ConfigError):
    """The method cannot be run at these preference weights."""


class DataError(LenityError):
    """A data set cannot be used."""


class ModelError(LenityError):
    """A model or adapter cannot be used."""


class RewardError(LenityError):
    """A reward gave something that is not a finite number for each response."""


class ScoreCountError(RewardError):
    """A Python function returned other than one score per completion; asking again does not mend its code."""


class CheckpointError(LenityError):
    """A run folder or a checkpoint cannot be used."""


class FolderInUseError(CheckpointError):
    """Another process works in this folder."""


class NumericalError(LenityError):
    """Losses, gradients or weights are not finite numbers, too often to go on."""


class ResourceError(LenityError):
    """The memory is too small even for one response at a time."""


class ProcessError(LenityError):
    """Another process of the run ended, or was silent for too long."""


class ProtocolError(LenityError):
    """Two results were not measured the same way."""


class EngineError(LenityError):
    """A rollout engine cannot be used."""


class JudgeError(LenityError):
    """A judge cannot be asked."""


class HubError(LenityError):
    """A run cannot be published."""


class StoppedError(LenityError):
    """A run was asked to end, by SIGTERM (exit code 0) or SIGINT (130), and has saved everything."""

    def __init__(self, what: str, remedy: str = "", exit_code: int = 0) -> None:
        super().__init__(what, remedy)
        self.exit_code = exit_code
