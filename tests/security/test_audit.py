"""What `make check` says of known vulnerabilities; it never fails for one."""

from __future__ import annotations

import json
import runpy
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit.py"
SOUND = {"name": "a", "version": "1", "vulns": []}
FLAWED = {
    "name": "b",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}, {"id": "PYSEC-2", "fix_versions": []}],
}
UNKNOWN = {"name": "c", "skip_reason": "not on PyPI"}


@pytest.fixture
def notify(monkeypatch, capsys):
    def run(answer):
        def audit(*_, **__):
            if isinstance(answer, Exception):
                raise answer
            return subprocess.CompletedProcess([], 0, stdout=answer, stderr="Traceback\nno connection\n")

        monkeypatch.setattr(subprocess, "run", audit)
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("", "no connection"), (subprocess.TimeoutExpired("pip-audit", 60), "no answer in 60 seconds")],
)
def test_offline_it_is_one_line(notify, answer, reason):
    said = notify(answer)
    assert said.out == f"pip-audit: skipped, nothing was audited: {reason}\n" and not said.err


def test_what_is_found_is_a_warning(notify):
    said = notify(json.dumps({"dependencies": [SOUND, FLAWED, UNKNOWN]}))
    assert said.err.splitlines() == [
        "WARNING: b 2 has PYSEC-1; mended in 3",
        "WARNING: b 2 has PYSEC-2; mended in no version yet",
    ]
    assert said.out.startswith("pip-audit: 2 known vulnerabilities in 2 of 3 packages")
