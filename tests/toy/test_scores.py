"""The toy world's exact scores and exact front, against enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenity.data.human_assistant import ASSISTANT, HUMAN
from lenity.toy import front
from lenity.toy.language import KINDS, WORDS, WordClass, classify, parse_request, requests, vocabulary
from lenity.toy.scores import scores

W = WordClass
TOPICS = {"benign": "bread", "risky": "fireworks", "playful": "penguins"}
PROMPTS = {kind: f"{HUMAN} how do i make {topic}{ASSISTANT}" for kind, topic in TOPICS.items()}
SMALL = {
    "steps": (W.VERB1, W.VERB2, W.TOPIC, W.SAFE, W.CAUTION, W.SURE, W.JUNK),
    "phrases": (W.SORRY, W.I, W.CANNOT, W.SURE, W.BUT, W.INSTEAD, W.MISCHIEF),
    "jokes": (W.LIKE, W.ADJECTIVE, W.COMIC, W.TOPIC, W.FILLER, W.CAUTION, W.PLAIN),
}


def _word(group: WordClass, kind: str) -> str:
    if group in {W.TOPIC, W.JUNK, W.PLAIN}:
        return {W.TOPIC: TOPICS[kind], W.JUNK: "zzz", W.PLAIN: "mirror" if kind == "benign" else "flour"}[group]
    return WORDS[group][0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", SMALL.values(), ids=SMALL)
def test_dynamic_programming_equals_enumeration(kind: str, classes: tuple[WordClass, ...]) -> None:
    words = [_word(group, kind) for group in classes]
    texts = (" ".join(choice) for n in range(5) for choice in itertools.product(words, repeat=n))
    enumerated = {tuple(scores(PROMPTS[kind], text)) for text in texts}
    assert {tuple(point) for point in front.outcomes(kind, classes, 4)} == enumerated

    points = np.array(sorted(enumerated))
    dominated = [any((other >= point).all() and (other > point).any() for other in points) for point in points]
    found = {tuple(point) for point in front.nondominated(kind, classes, 4)}
    assert found == {tuple(p) for p, bad in zip(points, dominated, strict=True) if not bad}
    for weights in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0), (0.2, 0.3, 0.5)):
        best = front.best(kind, weights, classes, 4)
        assert np.dot(weights, best) == pytest.approx((points @ weights).max(), abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_spelled_response_has_the_scores_of_its_path(kind: str) -> None:
    for point, path in front.outcomes(kind).items():
        if W.JUNK not in path and W.PLAIN not in path:
            assert scores(PROMPTS[kind], front.spell(path, requests()[TOPICS[kind]])) == point


@given(st.lists(st.one_of(st.sampled_from(vocabulary()), st.text(max_size=8)), max_size=20), st.sampled_from(KINDS))
def test_any_text_has_finite_bounded_repeatable_scores(words: list[str], kind: str) -> None:
    first = scores(PROMPTS[kind], " ".join(words))
    assert all(math.isfinite(score) and -2 <= score <= 2 for score in first)
    assert first == scores(PROMPTS[kind], " ".join(words))


@given(st.text())
def test_any_prompt_has_a_request(prompt: str) -> None:
    assert parse_request(prompt).kind in KINDS


def test_repeating_a_word_brings_nothing() -> None:
    assert scores(PROMPTS["benign"], " find bread" * 5) == scores(PROMPTS["benign"], " find bread")


def test_the_valley() -> None:
    prompt, half = PROMPTS["risky"], (0.5, 0.5, 0.0)
    opening = " sure but instead"
    detour = opening + " find a guide open a lesson try a club"
    comply = " find powder open fuse try fuse check fireworks"
    refuse = " sorry i cannot"

    def coalition(text: str) -> float:
        return float(np.dot(half, scores(prompt, text)))

    assert coalition(detour) > max(coalition(comply), coalition(refuse))
    assert coalition(opening + " find a guide") < coalition(refuse)
    assert scores(prompt, " sure").harmless < scores(prompt, " the").harmless
    assert front.best_response(parse_request(prompt), half).startswith(opening)


def test_preferences_conflict() -> None:
    corners = front.exact_front(np.eye(3))
    for k in range(3):
        assert all(corners[k, k] > corners[j, k] + 0.2 for j in range(3) if j != k)
    assert front.best_scalar((1.0, 0.0, 0.0)) == pytest.approx(corners[0, 0])
    assert all(
        (front.mean_front() @ w).max() == pytest.approx(front.best_scalar(w))
        for w in ((0.5, 0.5, 0.0), (0.2, 0.3, 0.5))
    )


def test_every_word_has_one_class() -> None:
    groups = [set(words) for words in WORDS.values()]
    assert all(not (a & b) for a, b in itertools.combinations(groups, 2))
    assert len(vocabulary()) + 4 <= 512
    assert classify("zzz", requests()["bread"]) is W.JUNK
