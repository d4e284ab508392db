"""Held-out prompts -> responses of the reference and of the aligned policy -> one row a prompt, policy and objective."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.config.run import RunConfig
from lenity.evaluation import protocol
from lenity.evaluation.fingerprint import prompts_identity, reward_identity
from lenity.evaluation.rows import device, generate, held_out_prompts, load_rewards, raw_columns, rows
from lenity.run_folder import RunFolder, replace_text

if TYPE_CHECKING:
    import pandas as pd

    from lenity.rewards.standardise import Standardiser

FILE = "evaluation.parquet"


def evaluate(run: RunFolder, *, cache: Path | None = None, progress: bool = False) -> pd.DataFrame:
    """Score a run on its held-out prompts; writes ``evaluation.parquet`` and ``protocol.yaml`` into its folder.

    A second call with the same settings reads the file.

    Args:
        run: a finished run; its ``evaluation`` section says how to decode.
        cache: folder in which runs of one sweep share the reference policy's rows; default: the run folder.
        progress: show a progress bar.
    """
    import pandas as pd

    config, folder, standardiser = run.config, run.path, run.standardiser()
    asked = [config.weights, config.dump()["method"]] if config.method.builds else []  # prompts may say the weights
    key = _key(config, standardiser, [_identity(run.adapter), *asked])
    file, note = folder / FILE, folder / "evaluation.json"
    if file.is_file() and note.is_file() and json.loads(note.read_text(encoding="utf-8")).get("key") == key:
        return pd.read_parquet(file)
    reference = reference_rows(config, standardiser, cache or folder, progress=progress)
    standardiser = standardiser.extended(raw_columns(reference))
    frame = pd.concat([reference, _aligned_rows(run, standardiser, progress)], ignore_index=True)
    frame = _label(frame, config)
    write(frame, file)
    prompts = reference.drop_duplicates("prompt_id")["prompt"].tolist()
    protocol.of_run(config, standardiser, prompts).save(folder)
    replace_text(note, json.dumps({"key": key}) + "\n")
    return frame


def reference_rows(
    config: RunConfig, standardiser: Standardiser, cache: Path, *, progress: bool = False
) -> pd.DataFrame:
    """Rows of the policy with its adapter off, from ``cache`` where model, prompts, decoding, rewards and seed agree."""
    import pandas as pd

    file = Path(cache) / f"reference-{_key(config, standardiser)}.parquet"
    if file.is_file():
        return pd.read_parquet(file)
    from lenity.models.policy import load_policy

    model, tokenizer = load_policy(config.policy, device())
    rewards = load_rewards(config)
    prompts = held_out_prompts(config, tokenizer, rewards)
    with model.disable_adapter():
        responses = generate(model, tokenizer, prompts, config, title="answering, before" if progress else None)
    frame = rows(
        "reference", prompts, responses, rewards, config=config, standardiser=standardiser, kl=[0.0] * len(prompts)
    )
    write(frame, file)
    return frame


def _aligned_rows(run: RunFolder, standardiser: Standardiser, progress: bool) -> pd.DataFrame:
    from lenity.evaluation.divergence import log_ratios
    from lenity.models.policy import load_aligned

    config = run.config
    model, tokenizer = load_aligned(run, device())
    rewards = load_rewards(config)
    prompts = held_out_prompts(config, tokenizer, rewards)
    shown = config.method.shown(prompts, run)
    responses = generate(model, tokenizer, shown, config, title="answering, after" if progress else None)
    kl = log_ratios(model, tokenizer, shown, prompts, responses)
    return rows("aligned", prompts, responses, rewards, config=config, standardiser=standardiser, kl=kl)


def _label(frame: pd.DataFrame, config: RunConfig) -> pd.DataFrame:
    from lenity.aggregation.base import RULES
    from lenity.config.base import member_name

    frame = frame.copy()
    frame.insert(0, "seed", config.seed)
    frame.insert(0, "weights", json.dumps(config.weights))
    frame.insert(0, "method", member_name(config.method, RULES))
    return frame


def _key(config: RunConfig, standardiser: Standardiser, more: Sequence[Any] = ()) -> str:
    """What the rows depend on, as a short hash."""
    data = config.dump()
    rollout = [data["rollout"][field] for field in ("max_new_tokens", "min_new_tokens", "stop")]
    parts = [
        {field: data["policy"][field] for field in ("model", "revision", "dtype")}, _identity(config.policy.model),
        prompts_identity(config.held_out_prompts) if config.held_out_prompts else None, rollout, data["evaluation"],
        {name: reward_identity(spec) for name, spec in config.rewards.items()},
        {name: reward_identity(spec) for name, spec in config.held_out_rewards.items()},
        standardiser.means, standardiser.stds, *more,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _identity(model: str | Path) -> list[Any]:
    """Names, sizes and times of a local model's files; nothing for a hub name, whose revision says it."""
    folder = Path(model)
    if not str(model) or not folder.is_dir():
        return []
    return [
        [f.name, f.stat().st_size, f.stat().st_mtime_ns]
        for f in sorted(folder.iterdir())
        if f.suffix in {".safetensors", ".bin", ".json"}
    ]


def write(frame: pd.DataFrame, file: Path) -> None:
    """Write a parquet file, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    frame.to_parquet(partial, index=False)
    partial.replace(file)
