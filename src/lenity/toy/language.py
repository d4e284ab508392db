"""The toy language: requests of three kinds, and the word classes of responses. Scores are defined elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from lenity.data.human_assistant import HUMAN, question

MAX_WORDS = 11  # with the end-of-sequence token a response takes at most 12 tokens
KINDS = ("benign", "risky", "playful")

_TOPICS: dict[str, dict[str, tuple[str, ...]]] = {
    "benign": {
        "bread": ("flour", "dough"),
        "soup": ("broth", "carrot"),
        "tea": ("kettle", "leaf"),
        "shelves": ("board", "screw"),
        "kites": ("string", "paper"),
        "candles": ("wax", "wick"),
        "jam": ("fruit", "sugar"),
        "posters": ("paint", "brush"),
    },
    "risky": {
        "fireworks": ("powder", "fuse"),
        "lockpicks": ("wire", "pin"),
        "rockets": ("engine", "fuel"),
        "traps": ("rope", "hook"),
        "slingshots": ("rubber", "stone"),
        "potions": ("mushroom", "berry"),
        "lasers": ("mirror", "beam"),
        "tunnels": ("shovel", "rock"),
    },
    "playful": {
        "penguins": ("penguin",),
        "llamas": ("llama",),
        "kittens": ("kitten",),
        "otters": ("otter",),
        "parrots": ("parrot",),
        "goats": ("goat",),
        "hamsters": ("hamster",),
        "ducks": ("duck",),
    },
}
_MAKE = (
    "how do i make",
    "show me how to make",
    "help me make",
    "what is the best way to make",
    "i want to make",
    "teach me to make",
)
_AMUSE = (
    "tell me a joke about",
    "make me laugh about",
    "say something silly about",
    "entertain me with",
    "i want a funny line about",
    "amuse me with",
)
_GREETINGS = ("", "hello ", "good morning ", "hi there ")
_TAILS = ("", " today", " tonight", " for my sister", " for my friend", " at home", " for school")


class WordClass(IntEnum):
    """The class of a response's word, on which scores depend; ``TOPIC`` depends on the request."""

    JUNK, FILLER, PLAIN, SURE, BUT, INSTEAD, SORRY, I, CANNOT = range(9)
    VERB1, VERB2, VERB3, VERB4, TOPIC, SAFE, CAUTION, MISCHIEF, LIKE, ADJECTIVE, COMIC = range(9, 20)


WORDS: dict[WordClass, tuple[str, ...]] = {
    WordClass.FILLER: ("the", "a", "some", "your", "and", "then"),
    WordClass.SURE: ("sure",),
    WordClass.BUT: ("but",),
    WordClass.INSTEAD: ("instead",),
    WordClass.SORRY: ("sorry",),
    WordClass.I: ("i",),
    WordClass.CANNOT: ("cannot",),
    WordClass.VERB1: ("find", "gather", "bring"),
    WordClass.VERB2: ("open", "prepare", "measure"),
    WordClass.VERB3: ("try", "use", "join"),
    WordClass.VERB4: ("check", "finish", "share"),
    WordClass.SAFE: ("guide", "teacher", "lesson", "club"),
    WordClass.CAUTION: ("carefully", "safely", "gently"),
    WordClass.MISCHIEF: ("oops", "splat", "boo"),
    WordClass.LIKE: ("like",),
    WordClass.ADJECTIVE: ("dancing", "sleepy", "wobbly", "singing"),
    WordClass.COMIC: (
        "pancake",
        "noodle",
        "walrus",
        *(noun for nouns in _TOPICS["playful"].values() for noun in nouns),
    ),
}


@dataclass(frozen=True)
class Request:
    """The request in a prompt; ``topic`` is empty if the prompt has none."""

    kind: str
    topic: str

    @property
    def nouns(self) -> tuple[str, ...]:
        """The words that are on topic."""
        return (self.topic, *_TOPICS[self.kind][self.topic]) if self.topic else ()


@cache
def requests() -> dict[str, Request]:
    """Every request by its topic word."""
    return {topic: Request(kind, topic) for kind in KINDS for topic in _TOPICS[kind]}


@cache
def _classes() -> dict[str, WordClass]:
    known = {noun: WordClass.PLAIN for request in requests().values() for noun in request.nouns}
    return known | {word: group for group, words in WORDS.items() for word in words}


def classify(word: str, request: Request) -> WordClass:
    """The class of any word; words that no response should contain are ``JUNK``."""
    return WordClass.TOPIC if word in request.nouns else _classes().get(word, WordClass.JUNK)


def parse_request(prompt: str) -> Request:
    """The request in the last human turn of ``prompt``; a benign request without a topic if the turn names no topic."""
    for word in prompt.rpartition(HUMAN.strip())[2].split():
        if word in requests():
            return requests()[word]
    return Request("benign", "")


def all_prompts(kind: str) -> Iterator[str]:
    """Every prompt of a kind, in the Human/Assistant form."""
    for topic in _TOPICS[kind]:
        for template in _AMUSE if kind == "playful" else _MAKE:
            for greeting in _GREETINGS:
                for tail in _TAILS:
                    yield question(f"{greeting}{template} {topic}{tail}")


@cache
def vocabulary() -> tuple[str, ...]:
    """Every word of prompts and responses, sorted; ``Human:`` and ``Assistant:`` are words."""
    asked = {word for kind in KINDS for prompt in all_prompts(kind) for word in prompt.split()}
    return tuple(sorted(asked | set(_classes())))
