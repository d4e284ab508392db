"""How a reward's function is called, read off its signature once: by place or by name, and with which columns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from lenity.errors import RewardError

PROMPTS, CONVERSATIONS = "prompts", "conversations"
RESPONSES = ("responses", "completions")  # two names of one thing
RESERVED = (PROMPTS, *RESPONSES, CONVERSATIONS)


@dataclass(frozen=True)
class Signature:
    """The call of one function; by default that of two arguments by place, whatever their names.

    Args:
        places: how many of prompts and responses go by place.
        by_name: those of ``prompts``, ``responses``, ``completions`` and ``conversations`` that are passed by name.
        required: columns without which it cannot be called.
        optional: columns that it takes where the data set has them.
        every: whether it takes all columns.
        doubtful: parameters that get prompts or responses by their place, and may be meant for columns.
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

        Prompts and responses go by name where a parameter is called ``responses`` or ``completions``, as TRL calls it, and to the
        first two places otherwise. Other parameters are columns.

        Raises:
            RewardError: no parameter gets the responses, or one can get nothing.
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
        if every and places == 0:  # its **columns take what it does not name
            by_name += [
                name
                for name in (PROMPTS, *(RESPONSES if named.keys().isdisjoint(RESPONSES) else ()))
                if name not in named
            ]
        lost = [p.name for p in ordered[places:] if p.name not in named and p.default is Parameter.empty]
        if lost or (places < 2 and not {*by_name, *by_place}.intersection(RESPONSES)):
            why = f"its parameter '{lost[0]}' can get nothing" if lost else "no parameter gets the responses"
            raise RewardError(
                f"reward function {getattr(function, '__qualname__', type(function).__qualname__)} cannot be called: {why}.",
                "Write it as f(prompts, responses), with columns of the data set as further parameters.",
            )
        columns = [p for name, p in named.items() if name not in by_place and name not in by_name]
        required, optional = (
            tuple(p.name for p in columns if (p.default is Parameter.empty) is without) for without in (True, False)
        )
        every = every and not more  # f(*args, **kwargs) hides what it wraps
        doubtful = required or optional or every or RESPONSES[1] in by_name
        return cls(
            places, tuple(by_name), required, optional, every,
            tuple(name for name in by_place if doubtful and name not in RESERVED),
        )  # fmt: skip

    @property
    def takes_columns(self) -> bool:
        """Whether it can get any column."""
        return self.every or bool(self.required or self.optional)

    @property
    def takes_rows(self) -> bool:
        """Whether it reads more of a data row than the prompt's text."""
        return self.takes_columns or CONVERSATIONS in self.by_name

    def columns(self, there: Iterable[str]) -> list[str]:
        """Names of the columns to pass, of those that are ``there``; required ones always."""
        return list(dict.fromkeys([*self.required, *(name for name in there if self.every or name in self.optional)]))

    def call(
        self, function: Callable[..., Any], prompts: Sequence[str], responses: Sequence[str], columns: Mapping[str, Any],
        conversations: Sequence[Any] = (),
    ) -> Any:  # fmt: skip
        """What ``function`` returns of these rows."""
        texts = {
            PROMPTS: list(prompts),
            **{name: list(responses) for name in RESPONSES},
            CONVERSATIONS: list(conversations),
        }
        ordered = (texts[PROMPTS], texts[RESPONSES[0]])[: self.places]
        return function(*ordered, **{name: texts[name] for name in self.by_name}, **columns)


def _places(ordered: Sequence[Parameter], named: Mapping[str, Parameter], *, more: bool, every: bool) -> int:
    """How many of prompts and responses go by place."""
    if named.keys().isdisjoint(RESPONSES):
        return 2 if more else 0 if every and len(ordered) < 2 else min(len(ordered), 2)
    if not ordered or (ordered[0].name == PROMPTS and ordered[0].kind is not Parameter.POSITIONAL_ONLY):
        return 0
    second = len(ordered) > 1 and ordered[1].name in RESPONSES and not every  # f(questions, responses)
    return int(second or ordered[0].kind is Parameter.POSITIONAL_ONLY)
