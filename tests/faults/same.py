"""Whether two finished runs are one and the same, to the bit."""

from __future__ import annotations

import json

TIMINGS = {"seconds", "tokens_per_second", "rule_seconds"}


def rows(run):
    """The metrics without what a clock measured."""
    return [{key: value for key, value in row.items() if key not in TIMINGS} for row in run.metrics()]


def assert_same(run, straight):
    """Adapter, last checkpoint (critic, optimizer, schedule, beta, rule), metrics, samples and constants."""
    assert rows(run) == rows(straight)
    files = ["adapter/adapter_model.safetensors", "samples.jsonl", "standardisation.json"]
    last = [max(path.name for path in each.checkpoints.iterdir()) for each in (run, straight)]
    assert last[0] == last[1]
    files += [f"checkpoints/{last[0]}/{file.name}" for file in (straight.checkpoints / last[0]).iterdir()]
    for file in files:
        assert (run.path / file).read_bytes() == (straight.path / file).read_bytes(), file
    assert json.loads((run.path / "adapter" / "adapter_config.json").read_text())["r"]
