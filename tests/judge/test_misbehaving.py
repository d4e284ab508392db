"""Against a real HTTP server that does what endpoints do on bad days."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from lenity.errors import JudgeError
from lenity.judge.run import judge
from scripted_server import Turn, say

CUT = say("7").body[:60]


def texts(server):
    return [json.dumps(request, sort_keys=True) for request in server.requests]


def summary(folder):
    return json.loads((folder / "judge.json").read_text())


@pytest.mark.parametrize(
    "fault",
    [Turn(429), Turn(500, b"oops"), Turn(503, b'{"error": {"message": "busy"}}'), Turn(0), say("9", delay=0.6), Turn(200, CUT)],
    ids=["429", "500", "503", "hangs up", "times out", "truncated JSON"],
)  # fmt: skip
def test_a_request_that_failed_is_sent_again(one, serve, settings, fault):
    server = serve(lambda number, request: fault if number == 0 else say("7"))
    found = judge(one, settings(server, timeout=0.3))
    assert found.scores["score"].tolist() == [7.0] and found.scores["failures"].tolist() == [0]
    assert len(server.requests) == 2 and len(set(texts(server))) == 1, "the same request"
    assert (found.summary["calls"], found.summary["prompt_tokens"], found.summary["completion_tokens"]) == (1, 11, 2)


def test_the_wait_that_the_server_asks_for_is_kept(one, serve, settings):
    server = serve(lambda number, request: say("7") if number else Turn(429, headers={"Retry-After": "1"}))
    judge(one, settings(server))
    assert server.times[1] - server.times[0] >= 1


def test_what_is_no_integer_is_asked_again_with_a_reminder(one, serve, settings):
    answers = ["I'd say 7/10", "11", "6"]
    server = serve(lambda number, request: say(answers[number]))
    found = judge(one, settings(server))
    assert found.scores.iloc[0][["score", "answers", "failures"]].tolist() == [6.0, 1, 2]
    first, second, _ = (request["messages"][1]["content"] for request in server.requests)
    assert second.startswith(first) and second.endswith("cannot be read.")
    assert [request["seed"] for request in server.requests] == [0, 1, 2]


@pytest.mark.parametrize("bad", ["", "7.5", "11", '{"score": '])
def test_what_never_becomes_an_integer_is_missing_and_not_zero(one, serve, settings, bad):
    server = serve(lambda number, request: say(bad))
    found = judge(one, settings(server, parse_retries=1))
    assert math.isnan(found.scores["score"].iloc[0])
    assert found.scores.iloc[0][["answers", "failures"]].tolist() == [0, 2]
    assert summary(one)["missing_scores"] == 1 and summary(one)["parse_failure_rate"]["value"] == 1.0
    judge(one, settings(server, parse_retries=1))
    assert len(server.requests) == 2, "a failure was paid too"


def test_a_truncated_body_of_an_endpoint_that_works_is_asked_for_again(folder, serve, settings):
    server = serve(lambda number, request: Turn(200, CUT) if number == 3 else say("4"))
    found = judge(folder, settings(server, concurrency=1))
    assert found.summary["parse_failures"] == found.summary["missing_scores"] == 0
    assert len(server.requests) == 37 and set(found.scores["score"]) == {4.0}


def test_the_counts_add_up(folder, serve, settings):
    answers = ["5", "I'd say 7/10", "", "9", "11"]
    server = serve(lambda number, request: say(answers[number % 5]))
    found = judge(folder, settings(server, repeats=2))
    scores, told = found.scores, summary(folder)
    assert told == found.summary
    assert told["calls"] == len(server.requests) == scores["answers"].sum() + scores["failures"].sum()
    assert told["parse_failures"] == scores["failures"].sum()
    rate = told["parse_failure_rate"]
    assert rate["low"] < rate["value"] == told["parse_failures"] / told["calls"] < rate["high"]
    assert told["questions"] == len(scores) == 18 * 2, "six responses of the reference, six of each run, two objectives"
    assert told["prompt_tokens"] == 11 * told["calls"]
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "judge.parquet"), scores)


def test_repeats_are_averaged_over_those_that_parsed(one, serve, settings):
    def script(number, request):
        return say(["2", "6", "no"][request["seed"] // 100])

    found = judge(one, settings(serve(script), repeats=3)).scores.iloc[0]
    assert found[["score", "answers", "failures"]].tolist() == [4.0, 2, 3]
    assert found["spread"] == pytest.approx(8**0.5)


def test_nothing_is_asked_twice(folder, serve, settings):
    server = serve(lambda number, request: say("5"))
    first = judge(folder, settings(server))
    again = judge(folder, settings(server))
    assert len(set(texts(server))) == len(server.requests) == 36
    assert (again.summary["calls"], again.summary["from_cache"]) == (0, 36)
    pd.testing.assert_frame_equal(first.scores, again.scores)
    judge(folder, settings(server, repeats=2))
    assert len(set(texts(server))) == len(server.requests) == 72


def test_an_endpoint_that_dies_midway_ends_the_run_and_costs_nothing_twice(folder, serve, settings):
    dying = serve(lambda number, request: say("5") if number < 10 else Turn(0))
    with pytest.raises(JudgeError, match=rf"{dying.url}.*no connection.*the same command resumes"):
        judge(folder, settings(dying, retries=0, concurrency=1))
    assert not (folder / "judge.json").exists() and not (folder / "judge.parquet").exists()
    well = serve(lambda number, request: say("5"))
    found = judge(folder, settings(well))
    assert (found.summary["calls"], found.summary["from_cache"]) == (26, 10)
    assert found.summary["answered_by"] == {dying.url: 10, well.url: 26}
    assert not set(texts(dying)[:10]) & set(texts(well))


def test_an_endpoint_that_is_not_there_is_named(one, settings):
    with pytest.raises(JudgeError, match=r"127\.0\.0\.1:9/v1.*no connection.*Check that it runs"):
        judge(one, settings("http://127.0.0.1:9/v1", retries=0))


@pytest.mark.parametrize(("status", "remedy"), [(401, "--api_key_env"), (403, "may not use"), (404, "ends in /v1")])
def test_a_refusal_costs_one_request_and_says_what_to_do(folder, serve, settings, status, remedy):
    server = serve(lambda number, request: Turn(status, b'{"error": {"message": "no such thing"}}'))
    with pytest.raises(JudgeError, match=rf"refuses \({status}.*no such thing.*{remedy}"):
        judge(folder, settings(server))
    assert len(server.requests) == 1


def test_a_page_instead_of_an_answer_is_no_endpoint(folder, serve, settings):
    server = serve(lambda number, request: Turn(200, b"<html>Welcome</html>"))
    with pytest.raises(JudgeError, match=r"no chat completion.*Welcome"):
        judge(folder, settings(server, retries=1))
    assert len(server.requests) == 2


REFUSED = Turn(400, b'{"error": {"message": "too long"}}')


@pytest.mark.parametrize("poison", [range(3), range(5, 13)], ids=["the first", "many in a row"])
def test_questions_that_are_refused_leave_the_others(folder, serve, settings, poison):
    server = serve(lambda number, request: REFUSED if number in poison else say("5"))
    found = judge(folder, settings(server, concurrency=1))
    assert found.summary["without_answer"] == {"400: too long": len(poison)}
    assert found.summary["missing_scores"] == found.scores["score"].isna().sum() == len(poison)
    stubborn = serve(lambda number, request: REFUSED)
    assert judge(folder, settings(stubborn)).summary["missing_scores"] == len(poison) == len(stubborn.requests)
    well = serve(lambda number, request: say("5"))
    assert judge(folder, settings(well)).summary["missing_scores"] == 0
    assert len(well.requests) == len(poison), "those alone are asked again"


def test_an_endpoint_that_refuses_every_request_is_given_up(folder, one, serve, settings):
    server = serve(lambda number, request: REFUSED)
    with pytest.raises(JudgeError, match=r"gives no answer: 400: too long"):
        judge(folder, settings(server))
    assert len(server.requests) == 4
    with pytest.raises(JudgeError, match=r"answers no question: 400: too long.*--max_tokens"):
        judge(one, settings(server))


def test_a_question_that_breaks_the_server_leaves_the_others(folder, serve, settings):
    """As all objectives of one response do, one after the other."""
    server = serve(lambda number, request: Turn(500) if number in {4, 5, 6} else say("5"))
    found = judge(folder, settings(server, retries=0, concurrency=1))
    assert found.summary["missing_scores"] == 3 and list(found.summary["without_answer"]) == ["500: Error code: 500"]


def test_no_more_requests_are_open_than_allowed(folder, serve, settings):
    server = serve(lambda number, request: say("5", delay=0.01))
    judge(folder, settings(server, concurrency=3))
    assert server.most == 3
