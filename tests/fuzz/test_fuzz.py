"""A small share of benchmarks/fuzz.py."""

from __future__ import annotations

from collections import Counter

import pytest

from fuzz.targets import TARGETS, foreign, fuzz

SHARE = {"configurations": 300, "transcripts": 500, "judge replies": 500, "manifests": 300, "data files": 25}


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_our_errors_comes_out(name):
    found, inputs = Counter(), []

    def tell(outcome, given):
        found[outcome] += 1
        inputs.extend([given] * (given is not None))

    fuzz(TARGETS[name], SHARE[name], 0, tell)
    assert found.total() >= SHARE[name] and found["accepted"]
    assert not foreign(found), f"{inputs[0]!r:.3000}"
