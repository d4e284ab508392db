"""The whole card: what the run was for, what it did, how well it is known, what it is not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lenity.card.public import public
from lenity.card.usage import QUESTION, usage
from lenity.config.suggest import command
from lenity.console.markdown import inline
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.storage.atomic_io import replace_text, writing

if TYPE_CHECKING:
    from lenity.card.results import Results

WINDOW = 5  # iterations averaged at each end of the table
TAGS = ["lenity", "ppo", "multi-objective", "lora"]


@dataclass(frozen=True)
class Names:
    """Under which names a model is published.

    Args:
        model: its repository.
        base: hub name of the model that the adapter stands on.
        copied: training read a local folder, and that ``base`` is the same is the publisher's word.
        merged: base and adapter are one model.
        license: identifier of the hub's list.
    """

    model: str
    base: str | None
    copied: bool = False
    merged: bool = False
    license: str | None = None


def write(config: RunConfig, run: RunFolder) -> None:
    """The model card, in the run folder and beside the adapter."""
    text = card(config, run.metrics(), prompt=read_by(run))
    with writing(run.path):
        replace_text(run.adapter / "README.md", text)
        replace_text(run.path / "README.md", text)


def read_by(run: RunFolder) -> str:
    """What the run's policy reads for a question: some methods add to it."""
    return run.config.method.shown([QUESTION], run)[0]


def card(
    config: RunConfig, metrics: list[dict[str, Any]], results: Results | None = None, names: Names | None = None, *, prompt: str = QUESTION
) -> str:  # fmt: skip
    """A model card in the hub's format.

    Args:
        config: of the run.
        metrics: its iterations.
        results: on held-out prompts, where it was evaluated.
        names: of a card that is published; default: one for the run folder, which names local folders.
        prompt: see :func:`read_by`.
    """
    shown = names or Names("adapter", config.policy.model)
    title = shown.model.split("/")[-1] if names else Path(config.output).name
    front: dict[str, Any] = {"library_name": "transformers" if shown.merged else "peft"}
    front |= {"base_model": shown.base} if shown.base else {}
    front |= {"license": shown.license} if shown.license else {}
    front |= {"pipeline_tag": "text-generation", "tags": TAGS}
    front |= {"model-index": results.index(config, title)} if results else {}
    parts = [
        ["---", yaml.safe_dump(front, sort_keys=False, allow_unicode=True) + "---"],
        [f"# {inline(title)}"],
        _summary(config, shown),
        ["## Objectives", "", *_figures(config, metrics)],
        results.lines(config) if results else [_unevaluated(config, published=names is not None)],
        ["## Training", "", _training(config, metrics)],
        ["## Limitations", "", *(f"- {text}" for text in _limitations(results, shown))],
        usage(config, shown.model, shown.base or "", merged=shown.merged, prompt=prompt),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _summary(config: RunConfig, names: Names) -> list[str]:
    method = public(config.dump()["method"])
    settings = ", ".join(f"{key} {value}" for key, value in method.items() if key != "type" and value is not None)
    what = "A LoRA adapter on" if not names.merged else "A whole model, with a LoRA adapter merged into"
    text = (
        f"{what} `{inline(names.base or 'a model of its own')}`, aligned by Lenity with method `{method['type']}`"
        + (f" ({inline(settings)})." if settings else ".")
    )
    copied = f"Training read a local copy of the base model; that `{inline(names.base)}` is the same is the publisher's word."
    return [text, *(["", copied] if names.copied else [])]


def _figures(config: RunConfig, metrics: list[dict[str, Any]]) -> list[str]:
    """Weights and, where the run was trained, its rewards at both ends."""
    names, rewards = config.objectives.names, public(config.dump()["rewards"])
    kinds = {name: inline(_reward(rewards[name])) for name in names}
    if not metrics:
        return [
            "| objective | weight | reward |",
            "| --- | ---: | --- |",
            *(f"| {inline(name)} | {config.weights[name]:.4g} | {kinds[name]} |" for name in names),
        ]
    return [
        "| objective | weight | reward | first iterations | last iterations |",
        "| --- | ---: | --- | ---: | ---: |",
        *(
            f"| {inline(name)} | {config.weights[name]:.4g} | {kinds[name]} | {_mean(metrics[:WINDOW], name):.3f} | "
            f"{_mean(metrics[-WINDOW:], name):.3f} |"
            for name in names
        ),
        "",
        (
            f"Raw rewards on training prompts, means over the first and last {min(WINDOW, len(metrics))} of {len(metrics)} iterations of "
            f"{metrics[-1].get('examples', config.rollout.batch_size)} responses; seed {config.seed}."
            + _divergence(metrics[-1])
        ),
    ]


def _reward(spec: dict[str, Any]) -> str:
    """Its kind, and the model or function behind it."""
    return " ".join(str(spec[field]) for field in ("type", "model", "function", "preference") if spec.get(field))


def _unevaluated(config: RunConfig, *, published: bool) -> str:
    if published:
        return "This run was not evaluated on held-out prompts; the figures above are of training batches."
    return f"For held-out prompts with intervals run `{inline(command('evaluate', config.output))}`."


def _training(config: RunConfig, metrics: list[dict[str, Any]]) -> str:
    data = public(config.dump())
    prompts = ", ".join(f"{key} {value}" for key, value in data["prompts"].items() if value is not None)
    tokens = sum(int(row["tokens"]) for row in metrics if "tokens" in row)
    lora = config.policy.lora
    return (
        f"Prompts: {inline(prompts)}. LoRA of rank {lora.r}, alpha {lora.alpha:g}; learning rate {config.optimizer.learning_rate:g}; "
        f"β {config.kl.coefficient:g} ({config.kl.kind})."
        + (f" {len(metrics)} iterations, {tokens:,} generated tokens." if tokens else "")
    )


def _limitations(results: Results | None, names: Names) -> list[str]:
    found = [
        "Scores are those of the rewards named above, which a policy can learn to please without becoming better to people.",
        "The weights are one choice among many; another trade-off needs another run.",
        "Nothing was tested beyond these prompts: other languages, long dialogues and adversarial use are unknown.",
    ]
    if results:
        clear = [inline(change.objective) for change in results.changes if change.verdict == "better"]
        rest = [
            f"{inline(change.objective)} ({change.verdict})" for change in results.changes if change.verdict != "better"
        ]
        found += [f"Not better than before on: {', '.join(rest)}."] if rest else []
        found += [] if clear else ["On no objective is there a clear improvement."]
    if not names.license:
        found.append("No licence is stated here: those of the base model and of the training data apply.")
    return found


def _divergence(row: dict[str, Any]) -> str:
    return f" KL to the reference at the end: {row['kl']:.2f} nats a response." if "kl" in row else ""


def _mean(rows: list[dict[str, Any]], name: str) -> float:
    return float(sum(row["reward"][name] for row in rows) / len(rows))
