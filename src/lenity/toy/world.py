"""Builds the toy world's tiny policy and reward models once, and caches them in the user's cache directory.

``python -m lenity.toy.world --output runs/toy/world`` writes a copy to another folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenity.errors import DataError
from lenity.storage.atomic_io import replacing_folder
from lenity.toy.examples import any_response, pairs, transcripts
from lenity.toy.language import MAX_WORDS, parse_request
from lenity.toy.prompts import ToyPrompts
from lenity.toy.scores import PREFERENCES, scores

SETTINGS: dict[str, int] = {
    "prompts": 2000,
    "transcripts": 12_000,
    "pairs": 24_000,
    "held_out": 600,
    "policy_epochs": 3,
    "reward_epochs": 1,
    "batch": 64,
}


@dataclass(frozen=True)
class World:
    """The folders of a built world, and the report of its training."""

    folder: Path
    policy: Path
    rewards: dict[str, Path]
    report: dict[str, Any]


def build_world(
    seed: int = 0, cache: Path | None = None, progress: bool = True, settings: dict[str, int] | None = None
) -> World:
    """The world of ``seed``, from the cache or trained now (under a minute on two idle cores).

    Args:
        seed: random seed of the data, the initial weights and the order of training.
        cache: folder for worlds; by default the user's cache directory.
        progress: whether to show the progress of training.
        settings: sizes that differ from ``SETTINGS``, for quick trials.

    Raises:
        DataError: a setting is unknown.
    """
    if unknown := set(settings or {}) - set(SETTINGS):
        raise DataError(f"settings {sorted(unknown)} are unknown to the toy world.", f"Known: {', '.join(SETTINGS)}.")
    chosen = SETTINGS | (settings or {})
    if cache is None:
        import platformdirs

        cache = Path(platformdirs.user_cache_dir("lenity"))
    folder = Path(cache) / f"toy-{_content_hash(seed, chosen)}"
    if not (folder / "world.json").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".toy-") as temporary:
            built = Path(temporary) / "world"
            _build(built, seed, chosen, progress)
            try:
                built.replace(folder)
            except OSError:  # another process was first
                if not (folder / "world.json").exists():
                    raise
    return load_world(folder)


def copy_world(folder: Path, seed: int = 0) -> World:
    """The world of ``seed``, copied to ``folder`` unless the folder already holds a world.

    Raises:
        DataError: ``folder`` holds something else.
    """
    if folder.is_dir() and any(folder.iterdir()):
        return load_world(folder)
    with replacing_folder(folder) as partial:
        shutil.copytree(build_world(seed).folder, partial, dirs_exist_ok=True)
    return load_world(folder)


def load_world(folder: Path) -> World:
    """The world in ``folder``; raises ``DataError`` if there is none."""
    file = folder / "world.json"
    if not file.exists():
        raise DataError(
            f"'{folder}' holds no toy world.",
            f"Make one: python -m lenity.toy.world --output {shlex.quote(str(folder))}",
        )
    return World(
        folder,
        folder / "policy",
        {name: folder / "rewards" / name for name in PREFERENCES},
        json.loads(file.read_text()),
    )


def _content_hash(seed: int, settings: dict[str, int]) -> str:
    digest = hashlib.sha256(json.dumps([seed, settings], sort_keys=True).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def _build(folder: Path, seed: int, settings: dict[str, int], progress: bool) -> None:
    import torch

    from lenity.console.progress import track

    start = time.perf_counter()
    steps = settings["transcripts"] // settings["batch"] * settings["policy_epochs"]
    steps += len(PREFERENCES) * (settings["pairs"] // settings["batch"]) * settings["reward_epochs"]
    with (
        torch.random.fork_rng(devices=[]),
        track("building the toy world", steps, unit="steps", shown=progress) as advance,
    ):
        torch.manual_seed(seed)
        report = _train_and_measure(folder, seed, settings, advance)
    report |= {"seed": seed, "settings": settings, "seconds": round(time.perf_counter() - start, 1)}
    (folder / "world.json").write_text(json.dumps(report, indent=2) + "\n")


def _train_and_measure(folder: Path, seed: int, settings: dict[str, int], step: Callable[[], None]) -> dict[str, Any]:
    from lenity.toy import training

    tokenizer = training.make_tokenizer()
    prompts = ToyPrompts(count=settings["prompts"], seed=seed).read()[0]
    held_out = ToyPrompts(split="test", count=settings["held_out"], seed=seed).read()[0]
    texts = [row["text"] for row in transcripts(prompts, settings["transcripts"], seed)]
    policy = training.train_policy(
        tokenizer, texts, epochs=settings["policy_epochs"], batch=settings["batch"], step=step
    )
    responses = training.sample(policy, tokenizer, held_out, MAX_WORDS + 1)
    exact = [scores(prompt, response) for prompt, response in zip(held_out, responses, strict=True)]
    for part in (policy, tokenizer):
        part.save_pretrained(folder / "policy")
    _write_rows(folder / "transcripts.jsonl", [{"text": text} for text in texts])
    report: dict[str, Any] = {
        "policy": {
            "parameters": policy.num_parameters(),
            "mean_scores": dict(zip(PREFERENCES, _means(exact), strict=True)),
        },
        "rewards": {},
    }
    for name in PREFERENCES:
        rows = list(pairs(prompts, name, settings["pairs"], seed))
        model = training.train_reward(
            tokenizer, rows, epochs=settings["reward_epochs"], batch=settings["batch"], step=step
        )
        _write_rows(folder / f"pairs_{name}.jsonl", rows)
        model.save_pretrained(folder / "rewards" / name)
        tokenizer.save_pretrained(folder / "rewards" / name)
        report["rewards"][name] = _measure(
            model, tokenizer, name=name, prompts=held_out, responses=responses, seed=seed
        )
    return report


def _write_rows(file: Path, rows: list[dict[str, str]]) -> None:
    """Write the rows that a model was trained on, for `lenity sft`, `lenity reward` and Rewards-in-Context."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _measure(
    model: Any, tokenizer: Any, *, name: str, prompts: list[str], responses: list[str], seed: int
) -> dict[str, float]:
    """The held-out pair accuracy, and the Spearman correlation with exact scores on random responses and on the policy's responses."""
    import random

    from scipy.stats import spearmanr

    from lenity.toy import training

    rng = random.Random(f"toy measure {seed}")
    held_out = list(pairs(prompts, name, len(prompts), seed + 1))
    better, worse = (
        training.reward_scores(model, tokenizer, [row[side] for row in held_out]) for side in ("chosen", "rejected")
    )
    other = [any_response(parse_request(prompt), rng) for prompt in prompts]
    index = PREFERENCES.index(name)
    truth, exact = ([scores(p, r)[index] for p, r in zip(prompts, group, strict=True)] for group in (other, responses))
    found, own = (
        training.reward_scores(model, tokenizer, [p + r for p, r in zip(prompts, group, strict=True)])
        for group in (other, responses)
    )
    return {
        "pair_accuracy": round(sum(b > w for b, w in zip(better, worse, strict=True)) / len(better), 4),
        "spearman": round(float(spearmanr(found, truth).statistic), 4),
        "spearman_policy": round(float(spearmanr(own, exact).statistic), 4),
    }


def _means(rows: list[Any]) -> list[float]:
    return [round(sum(column) / len(rows), 4) for column in zip(*rows, strict=True)]


def main() -> None:
    """Write a copy of the world to a folder and print its report."""
    parser = argparse.ArgumentParser(
        prog="python -m lenity.toy.world", description="Build the toy world and copy it to a folder."
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write; it is made where missing")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    world = build_world(arguments.seed)
    shutil.copytree(world.folder, arguments.output, dirs_exist_ok=True)
    print(json.dumps(world.report, indent=2))


if __name__ == "__main__":
    main()
