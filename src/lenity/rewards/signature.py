"""How a reward's function is called, as read from its signature: by position or by name, and with which columns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from lenity.errors import RewardError

PROMPTS, CONVERSATIONS = "prompts", "conversations"
RESPONSES = ("responses", "completions")  # two names for the same argument
RESERVED = (PROMPTS, *RESPONSES, CONVERSATIONS)


@dataclass(frozen=True)
class Signature:
    """How to call one function; by default with two positional arguments, whatever their names.

    Args:
        places: how many of prompts and responses are passed by position.
        by_name: those of ``prompts``, ``responses``, ``completions`` and ``conversations`` that are passed by name.
        required: columns without which the function cannot be called.
        optional: columns that are passed if the data set has them.
        every: whether the function takes all columns.
        doubtful: parameters that get prompts or responses by position, but may be meant for columns.
    """

    places: int = 2
    by_name: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    every: bool = False
    doubtful: tuple[str, ...] = ()

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Signature:
        """The signature of ``f(prompts, responses, **columns)`` in any of its forms.

        Prompts and responses are passed by name if a parameter is called ``responses`` or, as in TRL, ``completions``, and as the
        first two positional arguments otherwise. Other parameters are columns.

        Raises:
            RewardError: no parameter gets the responses, or a required parameter gets nothing.
        """
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):  # of a function in C
            return cls()
        ordered = [p for p in parameters if p.kind in {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}]
        named = {p.name: p for p in parameters if p.kind in {Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY}}
        kinds = {p.kind for p in parameters}
        more, every = Parameter.VAR_POSITIONAL in kinds, Parameter.VAR_KEYWORD in kinds
        places = _places(ordered, named, more=more, every=every)
        by_place = [p.name for p in ordered[:places]]
        by_name = [name for name in RESERVED if name in named and name not in by_place]
        if every and places == 0:  # **columns gets arguments without a parameter of their own
            by_name += [
                name
                for name in (PROMPTS, *(RESPONSES if named.keys().isdisjoint(RESPONSES) else ()))
                if name not in named
            ]
        lost = [p.name for p in ordered[places:] if p.name not in named and p.default is Parameter.empty]
        if lost or (places < 2 and not {*by_name, *by_place}.intersection(RESPONSES)):
            why = f"nothing is passed for its parameter '{lost[0]}'" if lost else "no parameter gets the responses"
            raise RewardError(
                f"reward function {getattr(function, '__qualname__', type(function).__qualname__)} cannot be called: {why}.",
                "Write it as f(prompts, responses), with columns of the data set as further parameters.",
            )
        columns = [p for name, p in named.items() if name not in by_place and name not in by_name]
        required, optional = (
            tuple(p.name for p in columns if (p.default is Parameter.empty) is without) for without in (True, False)
        )
        every = every and not more  # f(*args, **kwargs) hides the signature of a wrapped function
        doubtful = required or optional or every or RESPONSES[1] in by_name
        return cls(
            places, tuple(by_name), required, optional, every,
            tuple(name for name in by_place if doubtful and name not in RESERVED),
        )  # fmt: skip

    @property
    def takes_columns(self) -> bool:
        """Whether the function can get any column."""
        return self.every or bool(self.required or self.optional)

    @property
    def takes_rows(self) -> bool:
        """Whether the function reads more of a data row than the prompt's text."""
        return self.takes_columns or CONVERSATIONS in self.by_name

    def columns(self, there: Iterable[str]) -> list[str]:
        """The names of the columns to pass, of those ``there`` in the data; required ones always."""
        return list(dict.fromkeys([*self.required, *(name for name in there if self.every or name in self.optional)]))

    def call(
        self, function: Callable[..., Any], prompts: Sequence[str], responses: Sequence[str], columns: Mapping[str, Any],
        conversations: Sequence[Any] = (),
    ) -> Any:  # fmt: skip
        """The result of ``function`` on these rows."""
        texts = {
            PROMPTS: list(prompts),
            **{name: list(responses) for name in RESPONSES},
            CONVERSATIONS: list(conversations),
        }
        ordered = (texts[PROMPTS], texts[RESPONSES[0]])[: self.places]
        return function(*ordered, **{name: texts[name] for name in self.by_name}, **columns)


def _places(ordered: Sequence[Parameter], named: Mapping[str, Parameter], *, more: bool, every: bool) -> int:
    """How many of prompts and responses are passed by position."""
    if named.keys().isdisjoint(RESPONSES):
        return 2 if more else 0 if every and len(ordered) < 2 else min(len(ordered), 2)
    if not ordered or (ordered[0].name == PROMPTS and ordered[0].kind is not Parameter.POSITIONAL_ONLY):
        return 0
    second = len(ordered) > 1 and ordered[1].name in RESPONSES and not every  # f(questions, responses)
    return int(second or ordered[0].kind is Parameter.POSITIONAL_ONLY)
