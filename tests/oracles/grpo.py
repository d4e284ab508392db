"""Slow, obvious twins of advantages within groups: Python floats and loops, None where a reward is missing."""

from __future__ import annotations

import math


def deviation(values):
    """The unbiased standard deviation; 0 of fewer than two."""
    if len(values) < 2:
        return 0.0
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def group_advantages(rewards, size, scale):
    """(B, K) nested lists of each reward against its mean in the group; rows of a prompt are neighbours."""
    out = [[0.0] * len(row) for row in rewards]
    for k in range(len(rewards[0])):
        everywhere = [row[k] for row in rewards if row[k] is not None]
        for b, row in enumerate(rewards):
            if row[k] is None:
                continue
            start = b - b % size
            group = [other[k] for other in rewards[start : start + size] if other[k] is not None]
            divisor = {"none": 1.0, "group": deviation(group) + 1e-4, "batch": deviation(everywhere) + 1e-4}[scale]
            out[b][k] = (row[k] - sum(group) / len(group)) / divisor
    return out


def rectified(rewards, size, scale, combine, whiten=False):
    """(B,) from ``combine`` of each completion's K advantages; 0 for one without a reward."""
    found = [combine(row) for row in group_advantages(rewards, size, scale)]
    scored = [any(reward is not None for reward in row) for row in rewards]
    if whiten:
        kept = [value for value, real in zip(found, scored, strict=True) if real]
        mean, divisor = sum(kept) / len(kept), deviation(kept) + 1e-4
        found = [(value - mean) / divisor for value in found]
    return [value if real else 0.0 for value, real in zip(found, scored, strict=True)]
