"""How commands end: two lines, exit codes and tracebacks."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys

import click
import pytest

import tiny
from lenity.cli.main import main
from lenity.errors import StoppedError

DEFECT = "remedy: This is a defect in Lenity or in a plug-in: --debug shows where. Please report it."


def lenity(*arguments, cwd, **options):
    return subprocess.run(
        [sys.executable, "-m", "lenity", *map(str, arguments)],
        check=False, cwd=cwd, stderr=subprocess.PIPE, text=True, timeout=120, **options,
    )  # fmt: skip


@pytest.fixture
def ends(monkeypatch, capfd):
    """The exit code and the lines on stderr where ``lenity methods`` raises; what ends a process is undone in this one."""
    handler = signal.getsignal(signal.SIGINT)

    def run(error, *arguments):
        def fail():
            raise error

        monkeypatch.setattr("lenity.cli.methods.command", click.Command("methods", callback=fail))
        monkeypatch.setattr("sys.argv", ["lenity", "methods", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, [line for line in capfd.readouterr().err.splitlines() if line]  # click leaves the ^C's

    yield run
    signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["train", "no.yaml"], ["error: configuration file 'no.yaml' not found.", "remedy: This folder has: a.yaml."]),
        (["train", "a.yaml", "--ppo.epoch", "2"], ["error: a.yaml: ppo.epoch: unknown field (value 2).", "remedy: Did you mean 'epochs'?"]),
        (["train", "a.yaml", "--seed"], ["error: '--seed' has no value.", "remedy: Overrides are written --section.field value."]),
        (["trian"], ["error: No such command 'trian'.", "remedy: Did you mean 'train'? See python -m lenity --help."]),
        (["lab", "figure"], ["error: No such command 'figure'.", "remedy: Did you mean 'figure1'? See python -m lenity lab --help."]),
        (["train"], ["error: Missing argument 'CONFIG'.", "remedy: See python -m lenity train --help."]),
        (["train", "a.yaml", "--resume=1"], ["error: Option '--resume' does not take a value.", "remedy: See lenity --help."]),
        (["report", "--reference", "nadirr", "runs"], ["error: Invalid value for '--reference': 'nadirr' is not one of 'fixed', 'nadir'.", "remedy: Did you mean 'nadir'? See python -m lenity report --help."]),
        (["zzz"], ["error: No such command 'zzz'.", "remedy: See python -m lenity --help."]),
        (["train", "a.yaml", "--ressume"], ["error: No such option '--ressume'.", "remedy: Did you mean '--resume'? See python -m lenity train --help."]),
        (["train", "a.yaml", "--ressume", "--seed", "1"], ["error: No such option '--ressume'.", "remedy: Did you mean '--resume'? See python -m lenity train --help."]),
        (["train", "a.yaml", "--polcy.dtype"], ["error: No such option '--polcy.dtype'.", "remedy: Did you mean '--policy.dtype'? See python -m lenity train --help."]),
        (["train", "a.yaml", "--sed", "1"], ["error: a.yaml: sed: unknown field (value 1).", "remedy: Did you mean 'seed'?"]),
        (["train", "a.yaml", "--seed", "--output", "b"], ["error: '--seed' has no value.", "remedy: Overrides are written --section.field value."]),
        (["sweep", "a.yaml", "--outputs", "x"], ["error: No such option '--outputs'.", "remedy: Did you mean '--output'? See python -m lenity sweep --help."]),
        (["demo", "--job", "1"], ["error: No such option '--job'.", "remedy: Did you mean '--jobs'? See python -m lenity demo --help."]),
        (["train", "a.yaml", "--rewards.helpful.types", "x"], ["error: a.yaml: rewards.helpful.types: unknown field (value 'x').", "remedy: Did you mean 'type'?"]),
        (["train", "a.yaml", "--rewards.helpful.zzz", "x"], ["error: a.yaml: rewards.helpful.zzz: unknown field (value 'x').", "remedy: Known here: type, measures, function, sign, timeout."]),
        (["train", "a.yaml", "--method.zzz", "1"], ["error: a.yaml: method.zzz: unknown field (value 1).", "remedy: Known here: type, label, source, temperature, leniency, schedule, schedule_end, gate."]),
        (["sweep", "a.yaml", "--jobs", "2"], ["error: Missing option '--output'.", "remedy: See python -m lenity sweep --help."]),
        (["report", "."], ["error: '.' holds no evaluated run.", "remedy: Give a run or sweep folder, after `lenity evaluate RUN` or `lenity sweep`."]),
    ],
)  # fmt: skip
def test_an_error_is_two_lines(arguments, lines, tmp_path):
    (tmp_path / "a.yaml").write_text(json.dumps(tiny.run_config("model", "run").dump()))
    found = lenity(*arguments, cwd=tmp_path)
    assert (found.returncode, found.stderr.splitlines()) == (2, lines)


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
@pytest.mark.parametrize("arguments", [["trian"], ["methods"]])
def test_no_color_means_none_on_a_terminal(variables, coloured, arguments, tmp_path):
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "lenity", *arguments], cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs,
        env=environment | {"TERM": "xterm-256color"} | variables,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while part := os.read(ours, 65536):
            shown += part
    assert (process.wait(60) == (2 if arguments == ["trian"] else 0) and b"plc" in shown) or b"trian" in shown
    assert (b"\x1b[" in shown) is coloured, shown


def test_several_problems_are_listed_with_their_remedies(tmp_path):
    (tmp_path / "a.yaml").write_text(json.dumps(tiny.run_config("model", "run").dump()))
    found = lenity("train", "a.yaml", "--ppo.epoch", "2", "--seed", "-1", cwd=tmp_path)
    assert found.returncode == 2 and found.stderr.startswith("error: a.yaml has 2 problems:\n  - ")
    assert "Did you mean 'epochs'?" in found.stderr and "Set it with --seed value." in found.stderr


@pytest.mark.parametrize("arguments", [["--debug", "train", "no.yaml"], ["train", "no.yaml", "--debug"]])
def test_debug_shows_the_traceback_and_ends_alike(arguments, tmp_path):
    found = lenity(*arguments, cwd=tmp_path)
    lines = found.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):" and "read_yaml" in found.stderr
    assert lines[-2:] == ["error: configuration file 'no.yaml' not found.", "remedy: Check the path."]
    assert found.returncode == 2


def test_a_defect_is_two_lines_and_a_code_of_its_own(ends):
    assert ends(IndexError("list index\nout of range")) == (1, ["error: IndexError: list index out of range", DEFECT])
    code, lines = ends(IndexError("list index out of range"), "--debug")
    assert code == 1 and lines[0].startswith("Traceback") and lines[-1] == DEFECT


def test_an_unexpected_end_of_a_file_is_no_interruption(ends):
    assert ends(EOFError("Ran out of input")) == (1, ["error: EOFError: Ran out of input", DEFECT])


def test_who_asked_for_the_end_gets_no_error(ends):
    assert ends(StoppedError("Saved.", "Go on with --resume.")) == (0, ["Saved.", "Go on with --resume."])
    assert ends(StoppedError("Saved.", exit_code=130)) == (130, ["Saved."])
    again = "To go on, repeat the command; train, sft and reward need --resume."
    assert ends(KeyboardInterrupt()) == (130, ["interrupted; everything that was saved is complete.", again])


@pytest.mark.parametrize("arguments", [["methods"], ["--help"]])
def test_a_reader_that_goes_away_is_no_news(arguments, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    found = lenity(*arguments, cwd=tmp_path, stdout=writer)
    os.close(writer)
    assert (found.returncode, found.stderr) == (1, "")


def test_the_codes_are_in_the_help(tmp_path):
    found = lenity("--help", cwd=tmp_path, stdout=subprocess.PIPE)
    assert found.returncode == 0 and "130  interrupted" in found.stdout and "--debug" in found.stdout
    for group in ([], ["lab"]):
        found = lenity(*group, cwd=tmp_path)
        assert found.returncode == 2 and found.stderr.startswith("Usage:")
