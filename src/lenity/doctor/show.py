"""Figures and findings on the terminal, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lenity.doctor.figures import Figures
from lenity.doctor.finding import Finding
from lenity.doctor.rewards import contrasts
from lenity.pareto.confidence import Interval

TOGETHER = {
    "mixed": "prompts of any lengths are answered together",
    "equal": "prompts of equal length are answered together",
    "single": "prompts are answered one by one",
}
COLOURS = {"problem": "red", "warning": "yellow", "not measured": "cyan", "ok": "green"}


def show(figures: Figures, findings: Sequence[Finding]) -> None:
    """One table of the rewards, a few lines on the rest, and the findings."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.print(_rewards(figures), highlight=False)
    for line in _lines(figures):
        console.print(line, highlight=False, markup=False)
    listed = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for finding in findings:
        listed.add_row(
            Text(finding.level, style=COLOURS[finding.level]), Text(finding.about, style="bold"), Text(finding.text)
        )
    console.print()
    console.print(listed)


def write(figures: Figures, findings: Sequence[Finding], file: Path) -> None:
    """Everything as JSON; what is not defined is null."""
    data = {"figures": asdict(figures), "findings": [asdict(finding) for finding in findings]}
    file.write_text(json.dumps(_plain(data), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _rewards(figures: Figures) -> Any:
    from rich.table import Table

    kinds = list(contrasts([""]))
    table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
    table.title = f"Rewards of {figures.responses.count} responses of the reference policy, and how often a response beats another text"
    table.add_column("reward")
    for name in ("mean", "std", "smallest", "largest", "unscorable", *kinds):
        table.add_column(name, justify="right")
    for name, found in figures.rewards.items():
        numbers = [f"{value:.3g}" for value in (found.mean, found.std, found.low, found.high)]
        table.add_row(name, *numbers, str(len(found.unscorable)), *(_share(found.beats[kind]) for kind in kinds))
    return table


def _lines(figures: Figures) -> list[str]:
    prompts, answers = figures.prompts, figures.responses
    lengths = ", ".join(f"{name} {tokens}" for name, tokens in prompts.lengths.items())
    held_out = figures.held_out
    lines = [
        f"policy: log-probs within {figures.policy.gap:.1g} nats of its own logits'; {TOGETHER[figures.policy.batching]}",
        f"prompts: {prompts.kept:,} of {prompts.read:,} rows; tokens: {lengths}",
        *(
            [
                f"held-out prompts: {held_out.prompts:,}, of which {held_out.trained_on:,} are trained on; {held_out.repeated:,} more rows repeat one"
            ]
            if held_out
            else []
        ),
        f"responses: {answers.tokens:.1f} tokens on average, {answers.cut:.0%} cut off at {answers.max_new_tokens}, {answers.empty:.0%} empty",
    ]
    lines += [
        f"tokenizer of {name}: {found.unknown:.1%} unknown, {found.round_trip:.0%} of texts come back, {found.per_word:.2f} tokens a word"
        for name, found in figures.tokenizers.items()
    ]
    lines += [f"correlation of {found.first} and {found.second}: {found.value}" for found in figures.correlations]
    if (conflict := figures.conflict) is not None:
        lines.append(
            f"conflict: on {conflict.rate:.0%} of responses; PLC's gate {conflict.gate} forgives a part of {conflict.masked:.0%} of the scores "
            f"below their mean, whose mask is {conflict.mask:.2f} on average"
        )
    if (cost := figures.cost) is not None:
        from lenity.console.progress import duration

        size = f"{cost.memory / 2**30:.2f} of {cost.available / 2**30:.0f} GiB a process without rewards"
        lines.append(
            f"cost: about {duration(cost.seconds)} for {cost.rows} iterations, {size}; true to a factor of about two"
        )
        advice = "policy.dtype and each reward model's dtype set it" if cost.dtype == "float32" else "the policy has it"
        lines.append(
            f"numbers: products in bfloat16 are {cost.bfloat16:.1f} times as fast as in float32 here; {advice}"
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
