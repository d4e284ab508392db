from __future__ import annotations

import itertools
import logging
import re
import subprocess
import sys
import traceback

import pytest
from click.testing import CliRunner

from lenity.cli.judge import command
from lenity.errors import ConfigError, JudgeError
from lenity.report.panels.record import judging
from scripted_server import Turn, say

SECRET = "sk-very-secret-0123456789"


def lenity(folder, *arguments):
    return CliRunner().invoke(command, [str(folder), "--model", "m", *arguments], catch_exceptions=True)


def everything(folder):
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_dry_run_says_what_it_would_take_and_leaves_nothing(folder, serve):
    server = serve(lambda number, request: say("5"))
    before = sorted(folder.rglob("*"))
    result = lenity(folder, "--dry-run", "--endpoint", server.url, "--repeats", "2", "--input_price", "1000", "--output_price", "1000")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "36 questions (helpful, harmless), 2 times each: 0 of 72 already answered" in result.output
    assert "at most 576 output tokens" in result.output and "+ at most 0.58 =" in result.output
    assert "the time left is shown after the first answers" in result.output
    assert sorted(folder.rglob("*")) == before and not server.requests


def test_the_table_is_paired_and_says_what_is_missing(folder, serve):
    def script(number, request):
        return say("nonsense" if number == 5 else str(3 + number % 4))

    result = lenity(folder, "--endpoint", serve(script).url, "--parse_retries", "0", "--concurrency", "1")
    assert result.exit_code == 0, result.output
    assert "(missing pairs: 1 of " in result.output
    assert "36 answers, 0 of them from before; 1 were no integer from 0 to 10 (2.8% [0.5%, 14.2%]); 1 of 36 scores" in result.output  # fmt: skip
    terms = dict(judging(folder))
    assert terms["Judge"] == "m, on the same machine" and "2.8 % [0.5, 14.2] of 36 were" in terms["Judge's answers"]


@pytest.mark.parametrize("columns", [50, 60, 200])
def test_no_figure_is_cut_on_a_narrow_terminal(folder, serve, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    result = lenity(folder, "--endpoint", serve(lambda number, request: say(str(number % 7))).url, "--concurrency", "1")
    words = result.output.partition("Mean scores")[2].split()
    for heading in ("before", "after", "difference"):
        assert words.count(heading) == 2
    cells = re.findall(r"(?:-?\d\.\d\d|\[-?\d\.\d\d,|-?\d\.\d\d\])(?=\s)", result.output)
    assert len(cells) == 36, "two runs, two objectives, three figures and their intervals"


def test_a_question_without_an_answer_is_told(one, serve):
    server = serve(lambda number, request: say("5") if request["seed"] < 200 else Turn(400))
    result = lenity(one, "--endpoint", server.url, "--repeats", "3")
    assert result.exit_code == 0 and "1 questions got no answer (400" in result.output


def test_the_key_is_sent_and_found_nowhere(folder, serve, monkeypatch):
    """Not even where the endpoint repeats it."""
    monkeypatch.setenv("JUDGE_KEY", SECRET)
    options = ("--api_key_env", "JUDGE_KEY")
    echo = serve(lambda number, request: say(f"Bearer {SECRET}" if number == 2 else "5"))
    cut = serve(lambda number, request: Turn(200, f"<p>{SECRET}".encode()))
    angry = serve(lambda number, request: Turn(401, f'{{"error": {{"message": "{SECRET} is wrong"}}}}'.encode()))
    results = [lenity(folder, "--endpoint", server.url, "--retries", "0", *options) for server in (angry, cut, echo)]
    assert echo.keys[0] == angry.keys[0] == f"Bearer {SECRET}"
    assert [type(result.exception) for result in results] == [JudgeError, JudgeError, type(None)]
    assert "[key] is wrong" in str(results[0].exception)
    shown = "".join(f"{result.output}{result.exception!r}{result.exc_info}" for result in results)
    assert SECRET not in shown and SECRET.encode() not in everything(folder)
    assert b"Bearer [key]" in everything(folder)


def test_the_key_is_in_no_log_and_in_no_traceback(folder, serve, monkeypatch, caplog):
    """Not with every logger at its most talkative, nor with the variables of each frame."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    bodies = [say(SECRET).body, f"<p>{SECRET}".encode(), f'{{"error": {{"message": "{SECRET}"}}}}'.encode()]
    for status, body in itertools.product((200, 307, 401, 500), bodies):
        turn = Turn(status, body, {"Location": "/elsewhere"})
        server = serve(lambda number, request, turn=turn: turn)
        result = lenity(folder, "--endpoint", server.url, "--retries", "0", "--parse_retries", "0")
        if result.exception:
            assert isinstance(result.exception, JudgeError), status
            shown = traceback.TracebackException.from_exception(result.exception, capture_locals=True).format()
            assert SECRET not in "".join(shown), status
        assert SECRET not in result.output and SECRET.encode() not in everything(folder)
    assert caplog.records and SECRET not in caplog.text


@pytest.mark.parametrize("place", [70, 290])
def test_a_key_is_hidden_before_a_long_answer_is_cut(folder, serve, monkeypatch, place):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    padded = ("x" * place + SECRET).encode()
    angry = serve(lambda number, request: Turn(400, b'{"error": {"message": "%s"}}' % padded))
    page = serve(lambda number, request: Turn(200, padded))
    broken = serve(lambda number, request: Turn(200, padded) if number == 1 else say("5"))
    results = [lenity(folder, "--endpoint", server.url, "--retries", "0") for server in (angry, page, broken)]
    shown = "".join(f"{result.output}{result.exception!r}" for result in results)
    assert SECRET[:6] not in shown and SECRET[:6].encode() not in everything(folder)


@pytest.mark.parametrize(
    "option",
    [
        ["--api_key", SECRET], [f"--api-key={SECRET}"], ["--key", SECRET], ["--openai_api_key", SECRET], ["--apikey", SECRET],
        ["--Authorization", f"Bearer {SECRET}"], ["--hf_token", SECRET], ["--api_key=", SECRET], ["--extra.api_key", SECRET],
        ["--extra", f"{{headers: {{Authorization: {SECRET}}}}}"], ["--extra.client_secret", SECRET],
    ],
)  # fmt: skip
def test_a_key_on_the_command_line_is_refused_and_not_repeated(folder, option):
    result = lenity(folder, "--endpoint", "http://127.0.0.1:9/v1", *option)
    assert isinstance(result.exception, ConfigError) and "environment variable" in str(result.exception)
    assert SECRET not in f"{result.output}{result.exception}"


def test_what_stands_in_an_unknown_option_may_be_a_key_and_is_not_repeated(folder):
    result = lenity(folder, "--endpoint", "http://127.0.0.1:9/v1", "--api_kee", SECRET)
    assert "api_kee: unknown field. " in str(result.exception) and SECRET not in f"{result.output}{result.exception}"


def test_lengths_in_tokens_are_no_secrets(folder):
    options = ("--max_tokens", "8", "--extra", "{max_completion_tokens: 9, prompt_cache_key: lenity}")
    result = lenity(folder, "--dry-run", "--endpoint", "http://127.0.0.1:9/v1", *options)
    assert result.exit_code == 0, result.exception


def test_a_misspelt_option_is_told_with_its_like(folder):
    result = lenity(folder, "--endpoint", "http://127.0.0.1:9/v1", "--repeat", "3")
    assert isinstance(result.exception, ConfigError) and "Did you mean 'repeats'?" in str(result.exception)


def test_torch_is_not_needed(folder):
    code = (
        "import sys; from click.testing import CliRunner; from lenity.cli.judge import command;"
        f"result = CliRunner().invoke(command, [{str(folder)!r}, '--model', 'm', '--endpoint', 'http://127.0.0.1:9/v1', '--retries', '0']);"
        "assert 'no connection' in str(result.exception), result.exception; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
