"""Rewards that read columns of the data rows: every form of their signature, and what is refused at start."""

# ruff: noqa: PLW0108  # the names of parameters are what is tested

from __future__ import annotations

import functools

import pytest

from lenity.data.conversation import Prompt
from lenity.data.human_assistant import parse, question
from lenity.errors import RewardError
from lenity.rewards.asking import ask, check_columns, score_all
from lenity.rewards.base import Reward
from lenity.rewards.function import FunctionReward
from lenity.rewards.given import GivenReward

ROWS = [{"answer": "2", "level": 1}, {"answer": "4", "level": 5}, {"answer": None, "level": 9}]
PROMPTS = [Prompt(parse(question(f"q{i}"), row), question(f"q{i}")) for i, row in enumerate(ROWS)]
TEXTS = [prompt.text for prompt in PROMPTS]
RESPONSES = [" 2", " 3", " 4"]
SEEN = []


def note(prompts, responses, **columns):
    """Keeps what it got, and gives it the index of each response."""
    SEEN[:] = [(prompts, responses, columns)]
    return [float(RESPONSES.index(response)) for response in responses]


def wrapper(*arguments, **options):
    return note(*arguments, **options)


class Words:
    def __call__(self, prompts, responses, level):
        return note(prompts, responses, level=level)


@functools.wraps(note)
def wrapped(*arguments, **options):
    return note(*arguments, **options)


ANSWER, LEVEL = {"answer": ["2", "4", None]}, {"level": [1, 5, 9]}
FORMS = {
    "two by place": (lambda p, r: note(p, r), {}),
    "two of other names": (lambda questions, answers: note(questions, answers), {}),
    "two by place only": (lambda prompts, responses, /: note(prompts, responses), {}),
    "the first by place": (lambda questions, responses: note(questions, responses), {}),
    "turned round": (lambda responses, prompts: note(prompts, responses), {}),
    "TRL's two": (lambda prompts, completions: note(prompts, completions), {}),
    "TRL's with all": (lambda prompts, completions, **columns: note(prompts, completions, **columns), ANSWER | LEVEL),
    "TRL's completions alone": (lambda completions, **rest: note(rest.pop("prompts"), completions, **rest), ANSWER | LEVEL),
    "TRL's with a column first": (
        lambda answer, completions, **rest: note(rest.pop("prompts"), completions, answer=answer, **rest), ANSWER | LEVEL,
    ),
    "completions and a column": (lambda completions, answer: note(TEXTS, completions, answer=answer), ANSWER),
    "by keyword only": (lambda *, prompts, completions, level: note(prompts, completions, level=level), LEVEL),
    "everything by keyword": (lambda **all: note(all.pop("prompts"), all.pop("responses"), **{k: all[k] for k in ANSWER}), ANSWER),
    "with a column": (lambda prompts, responses, answer: note(prompts, responses, answer=answer), ANSWER),
    "with a default that the data has": (lambda prompts, responses, level=None: note(prompts, responses, level=level), LEVEL),
    "with a default that it lacks": (lambda prompts, responses, grade=3: note(prompts, responses, grade=grade), {"grade": 3}),
    "other names with a column": (lambda a, b, *, level: note(a, b, level=level), LEVEL),
    "other names with all": (lambda a, b, **columns: note(a, b, **columns), ANSWER | LEVEL),
    "a wrapper that hides what it wraps": (wrapper, {}),
    "a wrapper that shows it": (wrapped, ANSWER | LEVEL),
    "an object": (Words(), LEVEL),
    "a partial": (functools.partial(lambda scale, prompts, responses, level: note(prompts, responses, level=level), 2), LEVEL),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gets_texts_and_the_columns_that_it_names(form):
    function, wanted = FORMS[form]
    reward = FunctionReward(function)
    check_columns({"mine": reward}, PROMPTS, "prompts")
    assert ask(reward, PROMPTS, RESPONSES) == [0.0, 1.0, 2.0]
    assert [(TEXTS, RESPONSES, wanted)] == SEEN
    assert ask(FunctionReward(function, sign=-1), PROMPTS[1:2], [" 4"]) == [-2.0]


def test_what_python_cannot_look_into_is_called_with_two():
    assert ask(FunctionReward(map), ["p"], ["r"]) != [0.0]  # called, whatever it makes of them
    with pytest.raises(ValueError, match="signature"):
        __import__("inspect").signature(map)


class Exact(Reward):
    def score(self, prompts, responses, *, answer, conversations):
        SEEN[:] = [conversations]
        return [float(response.strip() == wanted) for response, wanted in zip(responses, answer, strict=True)]


class Old(Reward):
    def score(self, prompts, responses):
        return [float(len(response)) for response in responses]


class Turned(Reward):
    def score(self, *, completions, level):
        return [float(value) for value in level]


def test_a_class_gets_columns_and_messages_by_naming_them():
    rewards = {"exact": Exact(), "old": Old(), "turned": Turned()}
    check_columns(rewards, PROMPTS, "prompts")
    found = score_all(rewards, PROMPTS, RESPONSES)
    assert found == {"exact": [1.0, 0.0, 0.0], "old": [2.0, 2.0, 2.0], "turned": [1.0, 5.0, 9.0]}
    assert [[[{"role": "user", "content": f"q{i}"}] for i in range(3)]] == SEEN


def test_a_function_gets_messages_by_naming_them():
    def f(prompts, completions, conversations):
        return [float(len(messages)) + (messages[-1]["content"] == "q1") for messages in conversations]

    assert ask(FunctionReward(f), PROMPTS, RESPONSES) == [1.0, 2.0, 1.0]


def test_a_row_at_fault_goes_without_a_score_and_the_others_keep_their_columns():
    def f(prompts, responses, answer):
        return [float(value) for value in answer]

    found = ask(FunctionReward(f), PROMPTS, RESPONSES)
    assert found[:2] == [2.0, 4.0] and found[2] != found[2] and "NoneType" in found[2].why


def refused(function, prompts=PROMPTS):
    with pytest.raises(RewardError) as found:
        check_columns({"mine": FunctionReward(function)}, prompts, "prompts (q.jsonl)")
    return str(found.value)


def test_a_column_that_the_data_lacks_is_named_with_those_there_are():
    text = refused(lambda prompts, responses, anwser: [])
    assert (
        "reward 'mine' takes the column 'anwser', and prompts (q.jsonl) has none; its columns are ['answer', 'level']"
        in text
    )
    assert "Did you mean 'answer'?" in text
    assert "it has no other columns than the prompt" in refused(
        lambda completions, answer: [], [Prompt(parse("a"), "a")]
    )


@pytest.mark.parametrize("name", ["prompts", "responses", "completions", "conversations"])
@pytest.mark.parametrize("takes", ["all", "one"])
def test_a_column_with_the_name_of_an_argument_is_refused_where_columns_are_taken(name, takes):
    functions = {"all": lambda prompts, responses, **columns: [], "one": lambda prompts, responses, level: []}
    prompts = [Prompt(parse("a", {"level": 1, name: "x"}), "a")]
    assert f"has one called '{name}', which is an argument of every reward" in refused(functions[takes], prompts)
    check_columns({"old": FunctionReward(lambda prompts, responses: [])}, prompts, "prompts")


def test_responses_that_would_land_in_a_parameter_for_a_column_are_refused():
    assert "a parameter 'answer' where prompts or responses stand" in refused(lambda prompts, answer, level: [])
    assert "a parameter 'answer' where prompts or responses stand" in refused(lambda answer, completions: [])
    check_columns(
        {"old": FunctionReward(lambda question, answer: [])}, PROMPTS, "a plain function of two goes on as it was"
    )


@pytest.mark.parametrize(
    "function", [lambda *, only: [], lambda prompts: [], lambda prompts, *, answer: [], lambda prompts, responses, column, /: []]
)  # fmt: skip
def test_a_function_without_a_place_for_the_responses_is_refused_when_it_is_loaded(function):
    with pytest.raises(RewardError, match="cannot be called"):
        FunctionReward(function)


def test_the_signature_is_read_once(monkeypatch):
    reward, other = FunctionReward(lambda prompts, responses, level: [0.0] * 3), Exact()
    check_columns({"a": reward, "b": other}, PROMPTS, "prompts")
    monkeypatch.setattr("inspect.signature", None)
    assert len(ask(reward, PROMPTS, RESPONSES)) == len(ask(other, PROMPTS, RESPONSES)) == 3


def test_a_column_may_be_called_self():
    def score(prompts, responses, **columns):
        return columns["self"]

    prompt = Prompt(parse(question("q"), {"self": 3}), question("q"))
    assert ask(FunctionReward(score), [prompt], [" Hello"]) == [3.0]
    assert ask(GivenReward("score", score), [prompt], [" Hello"]) == [3.0]
