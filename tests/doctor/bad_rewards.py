"""Rewards with one fault each, on the toy world."""

from __future__ import annotations

from lenity.toy.scores import scores


def helpful(prompts, responses):
    return [scores(prompt, response).helpful for prompt, response in zip(prompts, responses, strict=True)]


def flipped(prompts, responses):
    return [-score for score in helpful(prompts, responses)]


def saturated(prompts, responses):
    """As high as it gets, but for one response in forty."""
    return [0.999 - 0.5 * (sum(map(ord, text)) % 40 == 0) for text in responses]


def constant(prompts, responses):
    return [1.0] * len(responses)


def broken(prompts, responses):
    """No number where the response has an even number of words."""
    return [
        float("nan") if len(text.split()) % 2 == 0 else score
        for text, score in zip(responses, helpful(prompts, responses), strict=True)
    ]


def raises_on_empty(prompts, responses):
    return [len(text.split()) / len(text) for text in responses]


def tiny_differences(prompts, responses):
    return [1e6 + 1e-3 * score for score in helpful(prompts, responses)]


def words(prompts, responses):
    return [float(len(text)) for text in responses]


def words_too(prompts, responses):
    return [2.0 * len(text) + 1 for text in responses]


def not_many(prompts, responses):
    return [float("inf") if len(text) % 2 else 1.0 * (sum(map(ord, text)) % 5) for text in responses]
