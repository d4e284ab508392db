"""How far the work is: in a log file, on terminals of several widths, and with every command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from lenity.config.sections import Progress
from lenity.console.progress import track
from terminals import rows, screen

WORK = """
import sys, time
from lenity.config.sections import Progress
from lenity.console.progress import track
note = "helpful +0.12 · harmless -0.34 · humorous +0.56 · KL 1.2 [/red]"
with track("aligning", 200, 8, unit="iterations", settings=Progress(every_seconds=0.2)) as advance:
    for step in range(4):
        time.sleep(0.35)
        advance(1, note)
"""


def log(code, tmp_path, **environment):
    """What stands in the file to which the output goes."""
    file = tmp_path / "log"
    with file.open("w") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True, timeout=60, env=os.environ | environment)
    return file.read_text()


@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1"}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_log_file_gets_plain_lines_at_the_start_every_so_often_and_at_the_end(tmp_path, environment):
    lines = log(WORK, tmp_path, **environment).splitlines()
    assert lines[0] == "aligning 8/200 iterations, 0 s"
    assert len(lines) >= 5 and all(line.startswith("aligning ") and "\x1b" not in line for line in lines)
    assert re.fullmatch(
        r"aligning 9/200 iterations, \d s, \d+ s left, helpful \+0\.12 .* KL 1\.2 \[/red\]", lines[2]
    ), lines
    assert re.fullmatch(r"aligning 12/200 iterations, \d s, \d+ s left, helpful .*", lines[-1])


@pytest.mark.parametrize("columns", [50, 60, 70, 80, 120])
def test_count_and_time_left_are_whole_on_a_narrow_terminal(columns):
    lines = rows(screen(WORK, columns))
    assert all(len(line) <= columns for line in lines)
    assert re.match(r" *12/200 \d s, \d+ s left ", lines[-1]) and "align" in lines[-1], lines
    if columns == 120:
        assert "helpful +0.12 · harmless -0.34" in lines[-1]


def test_a_terminal_that_cannot_draw_gets_lines_and_colours_are_no_condition():
    dumb = rows(screen(WORK, 80, TERM="dumb"))
    assert dumb[0] == "aligning 8/200 iterations, 0 s" and dumb[-1].startswith("aligning 12/200 iterations, ")
    plain = screen(WORK, 80, NO_COLOR="1")
    assert "\x1b[3" not in plain and re.match(r" *12/200 \d s, ", rows(plain)[-1])


@pytest.mark.parametrize("changes", [{"settings": Progress(progress=False)}, {"shown": False}])
def test_nothing_is_shown_where_nothing_is_asked_for(capsys, changes):
    with track("x", 2, unit="steps", **changes) as advance:
        advance()
    assert capsys.readouterr().out == ""


def test_a_failure_ends_the_lines_with_how_far_it_was(capsys):
    with (
        pytest.raises(ValueError, match="no"),
        track("x", 2, unit="steps", settings=Progress(every_seconds=0.01)) as advance,
    ):
        advance()
        raise ValueError("no")
    before = capsys.readouterr().out
    assert before.splitlines()[-1].startswith("x 1/2 steps, 0 s")
    time.sleep(0.05)
    assert capsys.readouterr().out == ""


def test_a_log_that_cannot_be_written_does_not_end_the_work(monkeypatch):
    class Full:
        def write(self, text):
            raise OSError(28, "No space left on device")

        def isatty(self):
            return False

        flush = encoding = None

    monkeypatch.setattr(sys, "stdout", Full())
    with track("x", 2, unit="steps", settings=Progress(every_seconds=0.01)) as advance:
        time.sleep(0.05)
        advance()
