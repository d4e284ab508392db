from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from peft import PeftModel
from transformers import AutoModelForCausalLM

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plc_grpo.py"


@pytest.mark.slow
def test_the_example_trains_scores_and_saves_an_adapter(tiny_model, tmp_path):
    found = subprocess.run(
        [sys.executable, EXAMPLE, "--model", tiny_model, "--steps", "2", "--output", tmp_path / "run"],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    for name in ("helpful", "harmless", "humorous"):
        assert re.search(rf"^{name} +(\S+ \[\S+ \S+) -> (?!\1)", found.stdout, re.MULTILINE), found.stdout
    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), tmp_path / "run")
