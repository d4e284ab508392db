"""The model card of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from lenity.config.run import RunConfig
from lenity.durable import replace_text, writing
from lenity.markdown import inline
from lenity.run_folder import RunFolder

WINDOW = 5  # iterations averaged at each end of the table


def write(config: RunConfig, run: RunFolder) -> None:
    """The model card, in the run folder and beside the adapter."""
    text = card(config, run.metrics())
    with writing(run.path):
        replace_text(run.adapter / "README.md", text)
        replace_text(run.path / "README.md", text)


def card(config: RunConfig, metrics: list[dict[str, Any]]) -> str:
    """A model card in the hub's format; figures are of training batches, not of held-out prompts."""
    method = config.dump()["method"]
    base = config.policy.model
    front = {"library_name": "peft", "base_model": base, "tags": ["lenity", "ppo", "multi-objective", "lora"]}
    settings = ", ".join(f"{key} {value}" for key, value in method.items() if key != "name")
    lines = [
        "---",
        yaml.safe_dump(front, sort_keys=False, allow_unicode=True) + "---",
        "",
        f"# {inline(Path(config.output).name)}",
        "",
        f"A LoRA adapter on `{inline(base)}`, aligned by Lenity with method `{method['name']}`"
        + (f" ({inline(settings)})." if settings else "."),
        "",
        *_figures(config, metrics),
        "",
        f"For held-out prompts with intervals run `lenity evaluate {inline(config.output)}`.",
        "",
        "```python",
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM",
        "",
        f'model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({json.dumps(base)}), "adapter")',
        "```",
    ]
    return "\n".join(lines) + "\n"


def _figures(config: RunConfig, metrics: list[dict[str, Any]]) -> list[str]:
    """Weights and, where the run was trained, its rewards at both ends."""
    names = config.objectives.names
    if not metrics:
        return [
            "| objective | weight |",
            "| --- | ---: |",
            *(f"| {inline(name)} | {config.weights[name]:.4g} |" for name in names),
        ]
    return [
        "| objective | weight | reward, first iterations | last iterations |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {inline(name)} | {config.weights[name]:.4g} | {_mean(metrics[:WINDOW], name):.3f} | {_mean(metrics[-WINDOW:], name):.3f} |"
            for name in names
        ),
        "",
        (
            f"Raw rewards on training prompts, means over the first and last {min(WINDOW, len(metrics))} of {len(metrics)} iterations of "
            f"{metrics[-1].get('examples', config.rollout.batch_size)} responses; seed {config.seed}."
            + _divergence(metrics[-1])
        ),
    ]


def _divergence(row: dict[str, Any]) -> str:
    return f" KL to the reference at the end: {row['kl']:.2f} nats a response." if "kl" in row else ""


def _mean(rows: list[dict[str, Any]], name: str) -> float:
    return float(sum(row["reward"][name] for row in rows) / len(rows))
