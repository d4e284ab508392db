"""Training data of the tiny models: transcripts of mixed quality, and preference pairs labelled by the exact scores."""

from __future__ import annotations

import random
from collections.abc import Iterator

from lenity.data.human_assistant import ASSISTANT, HUMAN
from lenity.toy.front import outcomes, spell
from lenity.toy.language import MAX_WORDS, WORDS, Request, WordClass, parse_request, vocabulary
from lenity.toy.scores import PREFERENCES, Scores, scores

W = WordClass
_STEPS = (W.VERB1, W.TOPIC, W.VERB2, W.TOPIC, W.VERB3, W.TOPIC, W.VERB4, W.TOPIC)
_SAFE = (W.VERB1, W.SAFE, W.VERB2, W.SAFE, W.VERB3, W.SAFE)
_JOKE = (W.LIKE, W.ADJECTIVE, W.COMIC)
_REFUSAL = (W.SORRY, W.I, W.CANNOT)
_DETOUR = (W.SURE, W.BUT, W.INSTEAD)
DETOUR_SHARE = 0.03  # of transcripts of risky requests

_MIX: dict[str, dict[str, float]] = {
    "benign": {"comply": 0.62, "joke": 0.22, "refuse": 0.10, "mischief": 0.06},
    "risky": {"comply": 0.50, "refuse": 0.34, "joke": 0.09, "mischief": 0.04, "detour": DETOUR_SHARE},
    "playful": {"joke": 0.60, "comply": 0.16, "refuse": 0.10, "mischief": 0.14},
}
_GARBAGE = ("zzz", "qux", HUMAN.strip(), ASSISTANT.strip())


def sample_response(request: Request, rng: random.Random, kind: str | None = None) -> str:
    """A random response like those of the transcripts: one of several kinds, of any quality, at most ``MAX_WORDS`` words."""
    mix = _MIX[request.kind]
    kind = kind or rng.choices(list(mix), list(mix.values()))[0]
    classes = list(_plan(kind, request, rng))
    if rng.random() < 0.2:
        classes.append(W.CAUTION)
    if request.kind == "playful":
        classes = [W.TOPIC if word is W.COMIC and rng.random() < 0.5 else word for word in classes]
    room = MAX_WORDS - len(classes)
    for place in reversed(range(1, len(classes))):
        follows_verb = W.VERB1 <= classes[place - 1] <= W.VERB4 or classes[place - 1] is W.LIKE
        if follows_verb and room > 0 and rng.random() < 0.3:
            classes.insert(place, W.FILLER)
            room -= 1
    return spell(classes[:MAX_WORDS], request, [rng.random() for _ in classes])


def _plan(kind: str, request: Request, rng: random.Random) -> tuple[WordClass, ...]:
    if kind == "refuse":
        return _REFUSAL
    if kind == "detour":
        return _DETOUR + _SAFE[: 2 * rng.choice((2, 3, 3))]
    if kind == "joke":
        jokes = _JOKE * rng.choice((1, 1, 2))
        return jokes if request.kind == "playful" or rng.random() < 0.4 else _STEPS[: 2 * rng.choice((1, 2))] + jokes
    if kind == "mischief":
        return (W.MISCHIEF, *_JOKE) if rng.random() < 0.6 else (*_STEPS[:4], W.MISCHIEF)
    steps = _STEPS[:2] if request.kind == "playful" else _STEPS[: 2 * rng.choice((1, 2, 2, 3, 3, 4))]
    return (W.SURE, *steps) if rng.random() < 0.35 else steps


def mutate(response: str, rng: random.Random) -> str:
    """A damaged copy of the response: words dropped, doubled, swapped, replaced, inserted or shuffled, or the end cut off."""
    words = response.split()
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = rng.randrange(len(words) + 1)
        action = rng.choice(("drop", "double", "replace", "insert", "swap", "cut", "shuffle"))
        if action == "insert" or not words:
            words.insert(place, _any_word(rng))
            continue
        place = min(place, len(words) - 1)
        if action == "drop":
            del words[place]
        elif action == "double":
            words.insert(place, words[place])
        elif action == "replace":
            words[place] = _any_word(rng)
        elif action == "swap":
            other = rng.randrange(len(words))
            words[place], words[other] = words[other], words[place]
        elif action == "cut":
            words = words[:place]
        else:
            rng.shuffle(words)
    return "".join(f" {word}" for word in words[: MAX_WORDS + 1])


def _any_word(rng: random.Random) -> str:
    if rng.random() < 0.05:
        return rng.choice(_GARBAGE)
    return rng.choice(vocabulary() if rng.random() < 0.3 else WORDS[rng.choice(list(WORDS))])


def any_response(request: Request, rng: random.Random) -> str:
    """A random response of the kinds that a policy may generate in training: usual, damaged, excellent, off topic, or garbage."""
    draw = rng.random()
    if draw < 0.30:
        return sample_response(request, rng)
    if draw < 0.55:
        return mutate(sample_response(request, rng), rng)
    if draw < 0.90:  # any outcome the rules know, so that the best responses of every weights are among them
        path = rng.choice(_paths(request.kind))
        response = spell(path, request, [rng.random() for _ in path])
        return response if draw < 0.78 else mutate(response, rng)
    if request.kind == "risky" and draw < 0.95:
        return mutate(sample_response(request, rng, "detour"), rng)
    return "".join(f" {_any_word(rng)}" for _ in range(rng.randrange(MAX_WORDS + 2)))


def _paths(kind: str) -> list[tuple[WordClass, ...]]:
    return list(outcomes(kind, tuple(word for word in W if word is not W.JUNK)).values())


def transcripts(prompts: list[str], count: int, seed: int) -> Iterator[dict[str, str]]:
    """``count`` rows {"text"}: a prompt and a sampled response."""
    rng = random.Random(f"toy transcripts {seed}")
    for i in range(count):
        prompt = prompts[i % len(prompts)]
        yield {"text": prompt + sample_response(parse_request(prompt), rng)}


def pairs(prompts: list[str], preference: str, count: int, seed: int) -> Iterator[dict[str, str]]:
    """``count`` rows {"chosen", "rejected"}: two responses to one prompt, ordered by the exact score; ties are drawn again."""
    rng = random.Random(f"toy pairs {preference} {seed}")
    index = PREFERENCES.index(preference)
    made = 0
    while made < count:
        prompt = prompts[made % len(prompts)]
        first, second = (any_response(parse_request(prompt), rng) for _ in range(2))
        better, worse = sorted((first, second), key=lambda response: _score(prompt, response)[index], reverse=True)
        if _score(prompt, better)[index] > _score(prompt, worse)[index]:
            made += 1
            yield {"chosen": prompt + better, "rejected": prompt + worse}


def _score(prompt: str, response: str) -> Scores:
    return scores(prompt, response)
