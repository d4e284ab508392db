"""Engines under FSDP2: each answers its portion of a batch that does not divide, from weights that no process holds whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vllm_double
from scale.launched import CONFIGS

JOB = Path(__file__).with_name("engine_job.py")


@pytest.mark.slow
def test_every_engine_samples_from_the_policy_that_the_processes_share(tiny_model, tmp_path):
    with vllm_double.Server(tiny_model) as server:
        found = subprocess.run(
            [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIGS / "cpu_fsdp2.yaml"),
             "--num_processes", "3", str(JOB), str(tiny_model), str(tmp_path), server.url],
            check=False, capture_output=True, text=True, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    assert found.returncode == 0, found.stderr
    for engine in ("continuous", "colocate", "server"):
        rows = [json.loads(line) for line in (tmp_path / engine / "metrics.jsonl").read_text().splitlines()]
        assert [row["iteration"] for row in rows] == [1, 2]
        assert all(row["engine_gap_max"] < 1e-4 for row in rows), engine
        samples = [json.loads(line) for line in (tmp_path / engine / "samples.jsonl").read_text().splitlines()]
        assert len(samples) == 10 and len({row["prompt"] for row in samples}) > 5
    asked = [body for path, body in server.asked if path == "/v1/completions"]
    assert [len(body["prompt"]) for body in asked] == [6, 6]  # two each: 5, and one for the sake of equal numbers
