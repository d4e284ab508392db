"""The whole model card: summary, objectives, results, training, limitations, usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lenity.card.public import public
from lenity.card.usage import QUESTION, usage
from lenity.config.objectives import Objectives
from lenity.config.sections import KL, LoRA, Optimizer
from lenity.config.suggest import command
from lenity.console.markdown import inline
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.storage.atomic_io import replace_text, writing

if TYPE_CHECKING:
    from lenity.card.results import Results

WINDOW = 5  # first and last iterations that are averaged
TAGS = ["lenity", "ppo", "multi-objective", "lora"]


@dataclass(frozen=True)
class Names:
    """The names under which a model is published.

    Args:
        model: repository of the model.
        base: hub name of the adapter's base model.
        copied: training read the base model from a local folder, and the publisher states that it is ``base``.
        merged: the adapter is merged into the base model.
        license: identifier from the hub's list.
    """

    model: str
    base: str | None
    copied: bool = False
    merged: bool = False
    license: str | None = None


def write(config: RunConfig, run: RunFolder) -> None:
    """Write the model card into the run folder and next to the adapter."""
    text = card(config, run.metrics(), prompt=read_by(run))
    with writing(run.path):
        replace_text(run.adapter / "README.md", text)
        replace_text(run.path / "README.md", text)


def read_by(run: RunFolder) -> str:
    """The prompt of ``QUESTION`` as the run's policy reads it; some methods add text to it."""
    return run.config.method.shown([QUESTION], run)[0]


def card(
    config: RunConfig, metrics: list[dict[str, Any]], results: Results | None = None, names: Names | None = None, *, prompt: str = QUESTION
) -> str:  # fmt: skip
    """A model card in the hub's format.

    Args:
        config: of the run.
        metrics: one row per iteration, as in ``metrics.jsonl``.
        results: on held-out prompts, where the run was evaluated.
        names: for a card that is published; default: a card for the run folder, which names local folders.
        prompt: see :func:`read_by`.
    """
    shown, data = names or Names("adapter", config.policy.model), public(config.dump())
    title = shown.model.split("/")[-1] if names else Path(config.output).name
    front: dict[str, Any] = {"library_name": "transformers" if shown.merged else "peft"}
    front |= {"base_model": shown.base} if shown.base else {}
    front |= {"license": shown.license} if shown.license else {}
    front |= {"pipeline_tag": "text-generation", "tags": TAGS}
    front |= {"model-index": results.index(data["held_out_prompts"], title)} if results else {}
    parts = [
        ["---", yaml.safe_dump(front, sort_keys=False, allow_unicode=True) + "---"],
        [f"# {inline(title)}"],
        _summary(data["method"], shown),
        [
            "## Objectives",
            "",
            *_table(config.objectives, data["rewards"], metrics),
            *_averaged(metrics, config.rollout.batch_size, config.seed),
        ],
        results.lines(data["held_out_prompts"], config.seed)
        if results
        else [_unevaluated(config.output, published=names is not None)],
        ["## Training", "", _training(data["prompts"], config.policy.lora, config.optimizer, config.kl, metrics)],
        ["## Limitations", "", *(f"- {text}" for text in _limitations(results, shown))],
        usage(
            shown.model, shown.base or "", config.rollout.stop, config.policy.lora, merged=shown.merged, prompt=prompt
        ),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _summary(method: Mapping[str, Any], names: Names) -> list[str]:
    settings = ", ".join(f"{key} {value}" for key, value in method.items() if key != "type" and value is not None)
    what = "A model with a LoRA adapter merged into" if names.merged else "A LoRA adapter on"
    text = (
        f"{what} `{inline(names.base or 'a model of its own')}`, aligned by Lenity with method `{method['type']}`"
        + (f" ({inline(settings)})." if settings else ".")
    )
    copied = f"Training read the base model from a local folder; the publisher states that it is the same as `{inline(names.base)}`."
    return [text, *(["", copied] if names.copied else [])]


def _table(objectives: Objectives, rewards: Mapping[str, Any], metrics: list[dict[str, Any]]) -> list[str]:
    """Weights and, where the run was trained, mean rewards of its first and last iterations."""
    names, weights = objectives.names, objectives.weights
    kinds = {name: inline(_reward(rewards[name])) for name in names}
    if not metrics:
        return [
            "| objective | weight | reward |",
            "| --- | ---: | --- |",
            *(f"| {inline(name)} | {weights[name]:.4g} | {kinds[name]} |" for name in names),
        ]
    return [
        "| objective | weight | reward | first iterations | last iterations |",
        "| --- | ---: | --- | ---: | ---: |",
        *(
            f"| {inline(name)} | {weights[name]:.4g} | {kinds[name]} | {_mean(metrics[:WINDOW], name):.3f} | "
            f"{_mean(metrics[-WINDOW:], name):.3f} |"
            for name in names
        ),
    ]


def _averaged(metrics: list[dict[str, Any]], batch_size: int, seed: int) -> list[str]:
    """What the table's means are of; nothing where the run was not trained."""
    if not metrics:
        return []
    return [
        "",
        (
            f"Raw rewards on training prompts, averaged over the first and last {min(WINDOW, len(metrics))} of {len(metrics)} iterations with "
            f"{metrics[-1].get('examples', batch_size)} responses each; seed {seed}." + _divergence(metrics[-1])
        ),
    ]


def _reward(spec: dict[str, Any]) -> str:
    """A reward's type, and its model or function."""
    return " ".join(str(spec[field]) for field in ("type", "model", "function", "preference") if spec.get(field))


def _unevaluated(output: str, *, published: bool) -> str:
    if published:
        return "This run was not evaluated on held-out prompts; the numbers above are of training batches."
    return f"For results on held-out prompts, with intervals, run `{inline(command('evaluate', output))}`."


def _training(
    prompts: Mapping[str, Any], lora: LoRA, optimizer: Optimizer, kl: KL, metrics: list[dict[str, Any]]
) -> str:
    source = ", ".join(f"{key} {value}" for key, value in prompts.items() if value is not None)
    tokens = sum(int(row["tokens"]) for row in metrics if "tokens" in row)
    return (
        f"Prompts: {inline(source)}. LoRA of rank {lora.r}, alpha {lora.alpha:g}; learning rate {optimizer.learning_rate:g}; "
        f"β {kl.coefficient:g} ({kl.kind})."
        + (f" {len(metrics)} iterations, {tokens:,} generated tokens." if tokens else "")
    )


def _limitations(results: Results | None, names: Names) -> list[str]:
    texts = [
        "Scores are those of the rewards named above; a policy can raise them without becoming better for people (reward hacking).",
        "The weights are one choice of many; another trade-off needs another run.",
        "Nothing was tested beyond these prompts: other languages, long dialogues and adversarial use are untested.",
    ]
    if results:
        clear = [inline(change.objective) for change in results.changes if change.verdict == "better"]
        rest = [
            f"{inline(change.objective)} ({change.verdict})" for change in results.changes if change.verdict != "better"
        ]
        texts += [f"Not better than before on: {', '.join(rest)}."] if rest else []
        texts += [] if clear else ["No objective improved clearly."]
    if not names.license:
        texts.append("No license is stated here: those of the base model and of the training data apply.")
    return texts


def _divergence(row: dict[str, Any]) -> str:
    return f" KL to the reference at the end: {row['kl']:.2f} nats per response." if "kl" in row else ""


def _mean(rows: list[dict[str, Any]], name: str) -> float:
    return float(sum(row["reward"][name] for row in rows) / len(rows))
