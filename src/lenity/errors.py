"""Every error Lenity raises on purpose.

::

    LenityError
    ├── ConfigError      a field of the configuration: unknown, of the wrong type, out of range
    │   └── WrongWeightsError  weights at which the method cannot be run
    ├── DataError        a data set: not found, empty, without the named columns
    ├── ModelError       a model or adapter: not found, of an unsupported kind
    ├── RewardError      a reward: NaN, infinite, missing, of the wrong length, constant
    ├── CheckpointError  a run folder or checkpoint: missing, torn, of another run
    ├── ProtocolError    results that must not be compared
    └── JudgeError       a judge's endpoint: refusing, dead, not OpenAI-compatible

Messages name the field, the value found and the remedy.
"""


class LenityError(Exception):
    """Base of all errors a user can act on; the command line prints it without a traceback."""


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


class CheckpointError(LenityError):
    """A run folder or a checkpoint cannot be used."""


class ProtocolError(LenityError):
    """Two results were not measured the same way."""


class JudgeError(LenityError):
    """A judge cannot be asked."""
