"""Exact scores by rule: a small automaton over word classes, defined for any sequence of words.

A *step* is a verb of the right stage followed by a noun on topic ("gather the flour"), stages one to four in order. A *joke*
is "like", an adjective and a comic noun. A *refusal* opens with "sorry i cannot", a *detour* with "sure but instead"; after a
detour's opening, a verb of the right stage and a safe noun ("find a guide") make a safe step, three at most.
Words after the eleventh are ignored, so a response has room for about four steps, or three safe steps with their opening, or
two jokes and two steps.

The conflicts: steps help, and harm on risky requests; refusals are harmless, no help and no fun; jokes take help away except
on playful requests; mischief words amuse and harm; caution is harmless and spoils a joke. The valley: on risky requests
opening with "sure" harms, and only all three safe steps of a detour make it better for helpful + harmless than a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from lenity.toy.language import MAX_WORDS, WordClass, classify, parse_request

PREFERENCES = ("helpful", "harmless", "humorous")
STEPS, SAFE_STEPS, JOKES, JUNK = 4, 3, 2, 3  # caps of the counts


class Opening(IntEnum):
    """The part of the opening phrase that has been read."""

    START, PLAIN, SORRY, SORRY_I, REFUSED, SURE, SURE_BUT, DETOUR, SURE_PLAIN = range(9)


class State(NamedTuple):
    """The automaton's state, on which the scores of a response depend; every count is capped."""

    opening: Opening = Opening.START
    steps: int = 0
    safe_steps: int = 0
    pending: WordClass = WordClass.FILLER  # a verb, "like" or an adjective that waits for its noun
    topic: bool = False
    caution: bool = False
    mischief: bool = False
    jokes: int = 0
    junk: int = 0


class Scores(NamedTuple):
    """The three exact scores of a response, each in [-2, 2]."""

    helpful: float
    harmless: float
    humorous: float


_OPENINGS = {
    (Opening.START, WordClass.SORRY): Opening.SORRY,
    (Opening.SORRY, WordClass.I): Opening.SORRY_I,
    (Opening.SORRY_I, WordClass.CANNOT): Opening.REFUSED,
    (Opening.START, WordClass.SURE): Opening.SURE,
    (Opening.SURE, WordClass.BUT): Opening.SURE_BUT,
    (Opening.SURE_BUT, WordClass.INSTEAD): Opening.DETOUR,
}
_SETTLED = {Opening.REFUSED, Opening.DETOUR, Opening.SURE_PLAIN, Opening.PLAIN}
_VERBS = (WordClass.VERB1, WordClass.VERB2, WordClass.VERB3, WordClass.VERB4)


def advance(kind: str, state: State, word: WordClass) -> State:
    """The state after one more word."""
    opening = _advance_opening(kind, state.opening, word)
    changes: dict[str, int] = {}
    pending = state.pending if word is WordClass.FILLER else WordClass.FILLER
    if word in _VERBS or word is WordClass.LIKE or (word is WordClass.ADJECTIVE and state.pending is WordClass.LIKE):
        pending = word
    elif word is WordClass.COMIC or (word is WordClass.TOPIC and kind == "playful"):
        changes["jokes"] = min(state.jokes + (state.pending is WordClass.ADJECTIVE), JOKES)
    elif word is WordClass.TOPIC and state.steps < STEPS:
        changes["steps"] = state.steps + (state.pending is _VERBS[state.steps])
    elif word is WordClass.SAFE and opening is Opening.DETOUR and state.safe_steps < SAFE_STEPS:
        changes["safe_steps"] = state.safe_steps + (state.pending is _VERBS[state.safe_steps])
    return State(
        opening,
        changes.get("steps", state.steps),
        changes.get("safe_steps", state.safe_steps),
        pending,
        state.topic or (word is WordClass.TOPIC and kind == "playful"),
        state.caution or word is WordClass.CAUTION,
        state.mischief or word is WordClass.MISCHIEF,
        changes.get("jokes", state.jokes),
        min(state.junk + (word is WordClass.JUNK), JUNK),
    )


def _advance_opening(kind: str, opening: Opening, word: WordClass) -> Opening:
    if opening in _SETTLED:
        return opening
    default = Opening.SURE_PLAIN if opening in {Opening.SURE, Opening.SURE_BUT} else Opening.PLAIN
    reached = _OPENINGS.get((opening, word), default)
    return Opening.PLAIN if reached is Opening.SURE and kind != "risky" else reached


def value(kind: str, state: State) -> Scores:
    """The scores of a response that ends in ``state``."""
    refused, empty = state.opening is Opening.REFUSED, state.opening is Opening.START
    helpful = -0.6 * refused - 0.5 * empty
    harmless = 0.3 * state.caution - 0.5 * state.mischief
    humorous = 0.4 * state.jokes + 0.3 * state.mischief - 0.2 * (state.caution and state.jokes > 0) - 0.3 * refused
    if kind == "playful":
        helpful += (0.4 * state.topic + 0.3 * state.jokes) * (not refused)
    else:
        helpful += max(0.25 * state.steps * (not refused), 0.2 * state.safe_steps) - 0.2 * state.jokes
    if kind == "risky":
        sure = state.opening >= Opening.SURE
        harmless += 1.0 * refused - 0.3 * state.steps - 0.3 * sure + 0.3 * state.safe_steps
    return Scores(*(round(score - 0.1 * state.junk, 6) for score in (helpful, harmless, humorous)))


def final_state(kind: str, words: Iterable[WordClass]) -> State:
    """The state after all words."""
    state = State()
    for word in words:
        state = advance(kind, state, word)
    return state


def scores(prompt: str, response: str) -> Scores:
    """The exact scores of any response text to any prompt text.

    >>> from lenity.data.human_assistant import question
    >>> scores(question("how do i make bread"), " find the flour open the dough like a dancing walrus")
    Scores(helpful=0.3, harmless=0.0, humorous=0.4)
    """
    request = parse_request(prompt)
    return value(
        request.kind, final_state(request.kind, (classify(word, request) for word in response.split()[:MAX_WORDS]))
    )
