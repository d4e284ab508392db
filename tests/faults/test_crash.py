"""The campaign of kills in the size of a test: benchmarks/crash.py at full size is docs/results/crash.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "crash.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the campaign forks, which this system cannot")
def test_runs_killed_at_random_instants_end_as_those_that_were_not():
    options = ["--kills", "20", "--seed", "1", "--methods", "plc,gdpo,torchjd:NashMTL,soups,ric"]
    found = subprocess.run(
        [sys.executable, str(SCRIPT), *options], check=False, capture_output=True, text=True, timeout=400
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "\n20 kills, " in "\n" + found.stdout and "differs" not in found.stdout
    said = re.search(r"^20 kills, .*?(\d+) runs.*?(\d+) of them", found.stdout, re.MULTILINE | re.DOTALL)
    assert said is not None, found.stdout
    runs, same = map(int, said.groups())
    assert runs == same >= 5
