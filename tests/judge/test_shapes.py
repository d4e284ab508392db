"""Every shape of answer that OpenAI-compatible servers give, over HTTP."""

from __future__ import annotations

import gzip
import json
import sqlite3

import pytest
from click.testing import CliRunner

from lenity.cli.judge import command
from lenity.errors import DataError, JudgeError
from lenity.judge.cache import FILE
from lenity.judge.run import judge
from scripted_server import Turn, completion, say

THOUGHT = "The response is polite. I would say 9, or 10."


def cached(folder):
    with sqlite3.connect(folder / FILE) as connection:
        return [text for (text,) in connection.execute("select answer from answers")]


def body(data, **more):
    return Turn(200, json.dumps(data).encode(), **more)


def parts(*texts):
    return [{"type": kind, "text": text} for kind, text in texts]


ANSWERED = {
    "parts": completion({"content": parts(("text", "7"))}),
    "several parts": completion({"content": parts(("text", " "), ("text", "7"))}),
    "output_text": completion({"content": parts(("output_text", "7"))}),
    "thinking part": completion({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "9"}]}, {"type": "text", "text": "7"}]}),
    "reasoning part": completion({"content": parts(("reasoning", THOUGHT), ("text", "7"))}),
    "a list of texts": completion({"content": ["7"]}),
    "reasoning_content": completion({"content": "7", "reasoning_content": THOUGHT}),
    "reasoning": completion({"content": "\n\n7", "reasoning": THOUGHT}),
    "think": say(f"<think>\n{THOUGHT}\n</think>\n\n7"),
    "think twice": say("<think>9</think><think>10</think>7"),
    "empty think": say("<think>\n\n</think>\n\n7"),
    "closing alone": say(f"{THOUGHT}</think>7"),
    "capitals": say("<THINK>9</THINK>7"),
    "thinking": say("<thinking>9</thinking>7"),
    "reasoning tag": say("<reasoning>9</reasoning>7"),
    "Magistral": say("[THINK]9[/THINK]7"),
    "gpt-oss": say("<|channel|>analysis<|message|>Maybe 9.<|end|><|start|>assistant<|channel|>final<|message|>7<|return|>"),
    "gpt-oss without special tokens": say("analysisMaybe 9.assistantfinal7"),
    "Kimi": say("◁think▷9◁/think▷7"),
    "an attribute": say('<think time="3">9</think>7'), "details": say('<details type="reasoning" done="true">\n9\n</details>\n7'),
    "other names": say("<scratchpad>9</scratchpad> <plan-1>8</plan-1>\n7"), "another language": say("<思考>也许 9。</思考>7"),
    "Gemma 4": say("<|channel>thought\n9<channel|>7"), "Granite": say("Here is my thought process: 9. Here is my response:\n\n7"),
    "Hunyuan": say("<think>\n9\n</think>\n<answer>\n7\n</answer>"), "ERNIE": say("9\n</think>\n\n<response>\n7\n</response>\n"),
    "a strange usage": body({"choices": [{"message": {"content": "7"}}], "usage": "11 tokens"}),
    "two choices": body({"choices": [{"message": {"content": "7"}}, {"message": {"content": "3"}}]}),
    "null error": body({"error": None, "choices": [{"message": {"content": "7"}}], "usage": None}),
    "cut after the integer": completion({"content": "7"}, "length"),
    "null finish": completion({"content": "7"}, None),
    "gzip": Turn(200, gzip.compress(say("7").body), {"Content-Encoding": "gzip"}),
    "a wrong charset": Turn(200, say("7").body, {"Content-Type": "application/json; charset=utf-16"}),
    "UTF-16": Turn(200, say("7").body.decode().encode("utf-16")),
    "byte-order mark": Turn(200, b"\xef\xbb\xbf" + say("7").body),
    "text/plain": Turn(200, say("7").body, {"Content-Type": "text/plain"}),
}  # fmt: skip


@pytest.mark.parametrize("turn", ANSWERED.values(), ids=ANSWERED)
def test_the_answer_is_what_follows_the_thinking(one, serve, settings, turn):
    server = serve(lambda number, request: turn)
    assert judge(one, settings(server)).scores["score"].tolist() == [7.0]
    assert len(server.requests) == 1


def error(message="overloaded", **more):
    return {"message": message, **more}


ERRORS = {
    "OpenAI": body({"error": error(type="server_error", code=None)}),
    "a text": body({"error": "overloaded"}),
    "TGI": body({"error": "overloaded", "error_type": "overloaded"}),
    "OpenRouter": body({"error": error(code=502), "user_id": "u"}),
    "OpenRouter, rate": body({"error": error(code="429")}),
    "in the choice": body({"choices": [{"message": {"content": "7"}, "finish_reason": "error", "error": error(code=502)}]}),
    "beside an answer": body({"error": error(), "choices": [{"message": {"content": "7"}}]}),
    "FastAPI": body({"detail": "overloaded"}),
    "FastAPI's list": body({"detail": [{"msg": "overloaded", "loc": ["body"]}]}),
    "vLLM's flat form": body({"object": "error", "message": "overloaded", "code": 503}),
    "flat": body({"message": "overloaded"}),
}  # fmt: skip
NONE = {
    "no choices": body({"choices": []}), "null choices": body({"choices": None}), "null choice": body({"choices": [None]}),
    "null message": body({"choices": [{"index": 0, "message": None, "finish_reason": "stop"}]}),
    "no message": body({"choices": [{"index": 0, "finish_reason": "stop"}]}),
    "aborted": completion({"content": "7"}, "abort"), "failed": completion({"content": "7"}, "error"),
    "a page": Turn(200, b"<html>overloaded</html>", {"Content-Type": "text/html"}),
    "a stream": Turn(200, b'data: {"choices": [{"delta": {"content": "7"}}]}\n\ndata: [DONE]\n\n', {"Content-Type": "text/event-stream"}),
    "nothing": Turn(200, b""), "null": Turn(200, b"null"), "a number": Turn(200, b"7"), "a list": Turn(200, b"[7]"),
    "cut JSON": Turn(200, say("7").body[:60]), "not UTF-8": Turn(200, b'{"choices": "\xff"}'),
    "broken gzip": Turn(200, b"no gzip", {"Content-Encoding": "gzip"}),
}  # fmt: skip


@pytest.mark.parametrize("turn", [*ERRORS.values(), *NONE.values()], ids=[*ERRORS, *NONE])
def test_an_error_with_status_200_is_asked_again_and_never_kept(folder, serve, settings, turn, monkeypatch):
    """Nor does it count as an answer that is no integer."""
    monkeypatch.setattr("lenity.judge.client.FIRST_WAIT", 0.01)
    failing = serve(lambda number, request: say("4") if number != 3 else turn)
    found = judge(folder, settings(failing, concurrency=1, retries=1))
    assert set(found.scores["score"]) == {4.0} and found.summary["parse_failures"] == 0
    assert len(failing.requests) == 37 and cached(folder) == ["4"] * 36


@pytest.mark.parametrize("turn", [*ERRORS.values(), *NONE.values()], ids=[*ERRORS, *NONE])
def test_an_endpoint_that_sends_nothing_else_ends_the_judging(folder, serve, turn):
    server = serve(lambda number, request: turn)
    result = CliRunner().invoke(
        command, [str(folder), "--model", "m", "--endpoint", server.url, "--retries", "0"], catch_exceptions=True
    )
    assert isinstance(result.exception, JudgeError) and result.exception.exit_code != 0
    assert len(server.requests) == 1 and cached(folder) == []
    assert not (folder / "judge.json").exists() and not (folder / "judge.parquet").exists()
    if turn in ERRORS.values():
        assert "overloaded" in str(result.exception)


@pytest.mark.parametrize("code", [401, "404"])
def test_an_error_that_says_its_status_ends_as_that_status_does(folder, serve, settings, code):
    server = serve(lambda number, request: body({"error": error("no such thing", code=code)}))
    with pytest.raises(JudgeError, match=rf"refuses \({code}: .*no such thing"):
        judge(folder, settings(server))
    assert len(server.requests) == 1, "it is not asked again"


def test_a_question_that_an_error_with_status_200_refuses_leaves_the_others(folder, serve, settings):
    refused = body({"error": error("too long", code=400)})
    server = serve(lambda number, request: refused if number in range(5, 13) else say("5"))
    found = judge(folder, settings(server, concurrency=1))
    assert sum(found.summary["without_answer"].values()) == found.summary["missing_scores"] == 8
    assert len(server.requests) == 36 and cached(folder) == ["5"] * 28


CUT = {
    "reasoning_content": completion({"content": None, "reasoning_content": THOUGHT}, "length"),
    "reasoning": completion({"content": None, "reasoning": THOUGHT}, "length"),
    "empty": completion({"content": "", "reasoning_content": THOUGHT}, "length"),
    "unclosed": completion({"content": f"<think>{THOUGHT}"}, "length"),
    "unclosed, called ended": say("<think>\n7"),
    "closed and opened": say("<think>9</think><think>7"),
    "Magistral": say("[THINK]7"),
    "gpt-oss": say("<|channel|>analysis<|message|>7"),
    "null": completion({"content": None}, "length"),
    "thinking part": completion({"content": [{"type": "thinking", "thinking": "7"}]}, "length"),
    "an attribute": say('<think time="3">7'),
    "Gemma 4": say("<|channel>thought\n7"),
    "Granite": say("Here is my thought process: 7"),
    "the beginning of 10": completion({"content": "1"}, "length"),
    "Anthropic": completion({"content": None, "reasoning": "7"}, "max_tokens"),
}
OTHERS = {
    "a tag alone": say("<score>7</score>"), "an open tag": say("<plan>9\n7"), "tags that do not close each other": say("<a>9</b>7"),
    "prose": say("Score: 7/10"), "bold": say("**7**"), "a fraction": say("7.5"), "fenced": say('```json\n{"score": 7}\n```'),
    "JSON": say('{"score": 7}'), "refusal": completion({"content": None, "refusal": "7"}),
    "refusal part": completion({"content": [{"type": "refusal", "refusal": "7"}]}),
    "filtered": completion({"content": "7"}, "content_filter"), "a tool": completion({"content": None, "tool_calls": [{}]}, "tool_calls"),
    "only thinking": completion({"content": None, "reasoning_content": "7"}), "prose after thinking": say("<think>7</think> About 7."),
    "an integer before thinking": say("7<think>9</think>"), "no content": completion({"role": "assistant"}),
    "an image": completion({"content": [{"type": "image_url", "image_url": {"url": "7"}}]}), "markup": say("[/bold]\x1b[31m"),
}  # fmt: skip


def ends(folder, server, *options):
    arguments = [str(folder), "--model", "m", "--endpoint", server.url, "--concurrency", "2", *options]
    result = CliRunner().invoke(command, arguments, catch_exceptions=True)
    assert isinstance(result.exception, JudgeError), result.output
    assert result.exception.exit_code != 0 and result.exception.what.isprintable()
    return result.exception


@pytest.mark.parametrize("turn", CUT.values(), ids=CUT)
def test_thinking_that_was_cut_stops_the_judging_and_names_the_limit(folder, serve, turn):
    server = serve(lambda number, request: turn)
    error = ends(folder, server, "--parse_retries", "0", "--max_tokens", "5")
    assert "truncated by --max_tokens 5" in error.remedy and "enable_thinking" in error.remedy
    assert len(server.requests) <= 9 and len(cached(folder)) in {8, 9}, "of 36"


@pytest.mark.parametrize("turn", OTHERS.values(), ids=OTHERS)
def test_answers_that_are_no_scores_stop_the_judging_and_one_is_shown(folder, serve, turn):
    server = serve(lambda number, request: turn)
    error = ends(folder, server, "--parse_retries", "1")
    assert len(server.requests) <= 18 and "in any of 16 answers to 8 questions, such as '" in error.what
    assert "--" in error.remedy and not (folder / "judge.parquet").exists()


def test_a_long_answer_is_shown_by_its_ends(folder, serve):
    error = ends(folder, serve(lambda number, request: say("begin " + "x" * 10_000 + " end")))
    assert "'begin xxx" in error.what and "xxx end'" in error.what and len(error.what) < 400


def test_what_was_asked_before_the_stop_is_not_asked_again(folder, serve):
    """Nor what was on its way then."""
    server = serve(lambda number, request: say("no", delay=0.0 if number < 7 else 0.3))
    ends(folder, server, "--parse_retries", "0", "--concurrency", "16")
    assert len(server.requests) == len(cached(folder)) > 9
    ends(folder, server, "--parse_retries", "0", "--concurrency", "16")
    asked = [json.dumps(request) for request in server.requests]
    assert len(asked) == len(set(asked)) == len(cached(folder))


def test_one_score_among_the_first_lets_it_go_on(folder, serve, settings):
    server = serve(lambda number, request: say("5" if number == 6 else "no"))
    found = judge(folder, settings(server, parse_retries=0, concurrency=1))
    assert len(server.requests) == 36 and found.summary["missing_scores"] == 35


@pytest.mark.parametrize("turn", [say("no"), completion({"content": None, "reasoning": "7"}, "length")])
def test_a_single_question_without_a_score_is_an_error_too(one, serve, turn):
    server = serve(lambda number, request: turn)
    ends(one, server)
    ends(one, server)
    assert len(server.requests) == 3, "the second time all is known, and still nothing is judged"


def test_the_share_that_was_cut_is_told(folder, serve):
    server = serve(lambda number, request: CUT["unclosed"] if number == 5 else say("5"))
    result = CliRunner().invoke(command, [str(folder), "--model", "m", "--endpoint", server.url])
    assert result.exit_code == 0 and "1 were no integer from 0 to 10" in result.output
    assert ", 1 of them cut by the limit of tokens; 0 of 36 scores are missing." in result.output


def test_runs_without_responses_are_an_error(one, serve, settings):
    import pandas as pd

    file = one / "evaluation.parquet"
    pd.read_parquet(file).iloc[:0].to_parquet(file)
    with pytest.raises(DataError, match="nothing to judge"):
        judge(one, settings(serve(lambda number, request: say("5")), objectives=["helpful"]))


def test_an_error_that_an_earlier_release_kept_is_asked_again(one, serve, settings):
    server = serve(lambda number, request: say("7"))
    judge(one, settings(server))
    with sqlite3.connect(one / FILE) as connection:
        connection.execute('update answers set answer = \'unreadable: {"error": {"message": "overloaded"}}\'')
    assert judge(one, settings(server)).scores["score"].tolist() == [7.0]
    assert len(server.requests) == 2 and cached(one) == ["7"]
