"""Results on held-out prompts for a card: means with intervals, the protocol, and the hub's ``model-index``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lenity.console.markdown import inline
from lenity.evaluation import places, protocol, table
from lenity.pareto.confidence import Interval

if TYPE_CHECKING:
    from lenity.runs.folder import RunFolder


@dataclass(frozen=True)
class Results:
    """Raw scores of an evaluated run before and after alignment, and the protocol."""

    changes: list[table.Change]
    kl: Interval
    protocol: protocol.Protocol

    @classmethod
    def of(cls, run: RunFolder) -> Results | None:
        """The results of ``run``; None unless `lenity evaluate` has run since its adapter was written."""
        import pandas as pd

        file, weights = run.path / places.FILE, run.adapter / "adapter_model.safetensors"
        whole = file.is_file() and (run.path / places.NOTE).is_file() and (run.path / protocol.FILE).is_file()
        if not whole or file.stat().st_mtime < weights.stat().st_mtime:
            return None
        frame = pd.read_parquet(file)
        return cls(table.changes(frame), table.mean_kl(frame), protocol.load(run.path))

    def lines(self, prompts: Mapping[str, Any] | None, seed: int) -> list[str]:
        """The Markdown lines of the section, for a run of ``seed``; ``prompts`` are the public settings of the held-out prompts."""
        rows = [
            f"| {inline(change.objective)}{' (held out)' if change.held_out else ''} | {change.before} | {change.after} | "
            f"{change.difference} | {change.verdict} |"
            for change in self.changes
        ]
        decoding = ", ".join(f"{name} {value!r}" for name, value in self.protocol.decoding.items())
        return [
            "## Results on held-out prompts",
            "",
            "| objective | before | after | difference | |",
            "| --- | ---: | ---: | ---: | --- |",
            *rows,
            "",
            (
                f"Mean raw scores over {self.protocol.prompts.count} prompts, with 95 % intervals from a bootstrap over prompts; differences are "
                f"paired by prompt. There is one training seed ({seed}); the intervals do not include the variation between seeds. "
                f"KL to the reference policy: {self.kl} nats per response."
                + (f" {self.protocol.caution}" if self.protocol.trained_on else "")
            ),
            "",
            "## Protocol",
            "",
            (
                f"Prompts: {_prompts(prompts or {})}; SHA-256 of their texts `{self.protocol.prompts.sha256}`. "
                f"Decoding: {inline(decoding)}. `lenity_protocol.yaml` holds the rewards with hashes of their files, and the standardisation constants."
            ),
        ]

    def index(self, prompts: Mapping[str, Any] | None, name: str) -> list[dict[str, Any]]:
        """The hub's ``model-index``; its values are mean raw scores after alignment."""
        source = prompts or {"type": "prompts"}
        place = str(source.get("dataset", "local:"))
        data = {"type": source["type"] if place.startswith("local:") else place, "name": source["type"]}
        metrics = [
            {
                "type": "reward",
                "name": f"{change.objective}, mean raw score",
                "value": _number(change.after.value),
                "args": {
                    "interval_95": [_number(change.after.low), _number(change.after.high)],
                    "before": _number(change.before.value),
                    "prompts": change.prompts,
                },
            }
            for change in self.changes
        ]
        data |= {"split": source["split"]} if "split" in source else {}
        task = {"type": "text-generation", "name": "Text Generation"}
        return [{"name": name, "results": [{"task": task, "dataset": data, "metrics": metrics}]}]


def _prompts(source: Mapping[str, Any]) -> str:
    return inline(", ".join(f"{name} {value}" for name, value in source.items() if value is not None))


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
