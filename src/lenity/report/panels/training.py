"""Training and negotiation: which curves the page shows."""

from __future__ import annotations

from typing import Any

from lenity.report.evidence import Evidence
from lenity.report.panels.base import Figure
from lenity.report.panels.curves import Value, curves


def training(evidence: Evidence) -> list[Figure]:
    """Reward of each objective, KL, response length."""
    found = []
    for name in evidence.runs[0].weights:
        value = _of("reward", name)
        found += curves(evidence, "training", f"reward-{name}", value, title=f"Reward: {name}", unit="mean raw reward")
    found += curves(evidence, "training", "kl", _plain("kl"), title="KL over the reference", unit="nats a response")
    length = _plain("response_length")
    return [*found, *curves(evidence, "training", "length", length, title="Response length", unit="tokens")]


def negotiation(evidence: Evidence) -> list[Figure]:
    """Conflict rate, then mask and surplus of each objective; docs/metrics.md defines them."""
    names, section = list(evidence.runs[0].weights), "negotiation"
    rate = _plain("conflict_rate")
    found = curves(evidence, section, "conflict", rate, title="Conflict rate", unit="share of tokens")
    for name in names:
        mask = _of("objective_scale_mean", name)
        found += curves(evidence, section, f"mask-{name}", mask, title=f"Mask: {name}", unit="mean mask")
    for name in names:
        surplus, unit = _of("surplus", name), "others' weighted advantage"
        found += curves(evidence, section, f"surplus-{name}", surplus, title=f"Surplus: {name}", unit=unit)
    return found


def _plain(key: str) -> Value:
    return lambda row: row.get(key)


def _of(key: str, name: str) -> Value:
    def value(row: dict[str, Any]) -> float | None:
        found: float | None = (row.get(key) or {}).get(name)
        return found

    return value
