"""Measurements and findings on the terminal, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lenity.console.progress import duration
from lenity.doctor.measurements import Finding, Measurements
from lenity.doctor.rewards import contrasts
from lenity.pareto.confidence import Interval

TOGETHER = {
    "mixed": "prompts of any lengths are batched",
    "equal": "prompts of equal length are batched",
    "single": "prompts are answered one by one",
}
COLOURS = {"problem": "red", "warning": "yellow", "not measured": "cyan", "ok": "green"}


def show(measured: Measurements, findings: Sequence[Finding]) -> None:
    """Print a table of the rewards, a few lines on the rest, and the findings."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.print(_rewards(measured), highlight=False)
    for line in _lines(measured):
        console.print(line, highlight=False, markup=False)
    listed = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for finding in findings:
        listed.add_row(
            Text(finding.level, style=COLOURS[finding.level]), Text(finding.about, style="bold"), Text(finding.text)
        )
    console.print()
    console.print(listed)


def write(measured: Measurements, findings: Sequence[Finding], file: Path) -> None:
    """Write measurements and findings as JSON; NaN and infinity become null."""
    data = {"figures": asdict(measured), "findings": [asdict(finding) for finding in findings]}
    file.write_text(json.dumps(_plain(data), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _rewards(measured: Measurements) -> Any:
    from rich.table import Table

    kinds = list(contrasts([""]))
    table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
    table.title = f"Rewards of {measured.responses.count} responses of the reference policy, and how often a response beats a worse text"
    table.add_column("reward")
    for name in ("mean", "std", "smallest", "largest", "unscorable", *kinds):
        table.add_column(name, justify="right")
    for name, stats in measured.rewards.items():
        numbers = [f"{value:.3g}" for value in (stats.mean, stats.std, stats.low, stats.high)]
        table.add_row(name, *numbers, str(len(stats.unscorable)), *(_share(stats.beats[kind]) for kind in kinds))
    return table


def _lines(measured: Measurements) -> list[str]:
    prompts, answers = measured.prompts, measured.responses
    lengths = ", ".join(f"{name} {tokens}" for name, tokens in prompts.lengths.items())
    held_out = measured.held_out
    lines = [
        f"policy: log-probs within {measured.policy.gap:.1g} nats of those of its own logits; {TOGETHER[measured.policy.batching]}",
        f"prompts: {prompts.kept:,} of {prompts.read:,} rows; tokens: {lengths}",
        *(
            [
                f"held-out prompts: {held_out.prompts:,}, of which {held_out.trained_on:,} are training prompts; {held_out.repeated:,} repeated rows"
            ]
            if held_out
            else []
        ),
        f"responses: {answers.tokens:.1f} tokens on average, {answers.cut:.0%} truncated at {answers.max_new_tokens}, {answers.empty:.0%} empty",
    ]
    lines += [
        f"tokenizer of {name}: {stats.unknown:.1%} unknown, {stats.round_trip:.0%} of texts decoded unchanged, {stats.per_word:.2f} tokens per word"
        for name, stats in measured.tokenizers.items()
    ]
    lines += [f"correlation of {pair.first} and {pair.second}: {pair.value}" for pair in measured.correlations]
    if (conflict := measured.conflict) is not None:
        lines.append(
            f"conflict: on {conflict.rate:.0%} of responses; PLC's gate {conflict.gate} scales down {conflict.gated:.0%} of the below-mean scores; "
            f"the mean scale of all below-mean scores is {conflict.objective_scale:.2f}"
        )
    if (cost := measured.cost) is not None:
        size = f"{cost.memory / 2**30:.2f} of {cost.available / 2**30:.0f} GiB per process without rewards"
        lines.append(
            f"cost: about {duration(cost.seconds)} for {cost.rows} iterations, {size}; within a factor of about two"
        )
        advice = (
            "set it with policy.dtype and each reward model's dtype"
            if cost.dtype == "float32"
            else "the policy uses it"
        )
        lines.append(
            f"precision: matrix products in bfloat16 are {cost.bfloat16:.1f} times as fast as in float32 here; {advice}"
        )
    return lines


def _share(share: Interval) -> str:
    return "–" if math.isnan(share.value) else f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
