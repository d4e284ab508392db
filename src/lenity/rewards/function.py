"""A Python function as a reward: ``kind: function``."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from lenity.errors import RewardError
from lenity.rewards.base import REWARDS, Reward, RewardSpec
from lenity.rewards.check import check_scores

if TYPE_CHECKING:
    import torch


class FunctionReward(Reward):
    """Calls ``function(prompts, responses)`` and checks what comes back."""

    def __init__(self, name: str, function: Callable[[list[str], list[str]], Sequence[float]], sign: int = 1) -> None:
        self._name, self._function, self._sign = name, function, sign

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        """One finite score a row; ``RewardError`` names the rows otherwise."""
        scores = check_scores(self._name, list(self._function(list(prompts), list(responses))), len(responses))
        return [self._sign * score for score in scores]


@REWARDS.register("function")
class FunctionSpec(RewardSpec):
    """``f(prompts, responses) -> list of floats``."""

    places = ("function",)
    function: str = Field(description="package.module:function or file.py:function")
    sign: int = Field(1, ge=-1, le=1, description="-1 where lower is better")

    def load(self, device: torch.device) -> FunctionReward:
        """The function, imported; no device is needed."""
        return FunctionReward(self.function, _find(self.function), self.sign)


def _find(address: str) -> Any:
    place, _, name = address.rpartition(":")
    if not place:
        raise RewardError(f"function is '{address}'; write package.module:function or file.py:function.")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except (ImportError, OSError) as error:
        raise RewardError(
            f"cannot import '{place}' of function '{address}': {error}. Check the path or install the package."
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise RewardError(f"'{place}' has no function '{name}'; check the name after the colon.")
    return function


def _from_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
