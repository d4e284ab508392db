"""Held-out prompts -> responses of the reference and of the aligned policy -> one row a prompt, policy and objective."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.config.run import RunConfig
from lenity.config.sections import Evaluation
from lenity.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from lenity.rewards.standardise import Standardiser
    from lenity.run_folder import RunFolder

FILE = "evaluation.parquet"


def evaluate(
    run: RunFolder, settings: Evaluation | None = None, *, cache: Path | None = None, progress: bool = False
) -> pd.DataFrame:
    """Score a run on its held-out prompts and write ``evaluation.parquet`` into its folder.

    A second call with the same settings reads the file.

    Args:
        run: a finished run.
        settings: decoding; default: the run's own ``evaluation`` section.
        cache: folder in which runs of one sweep share the reference policy's rows; default: the run folder.
        progress: show a progress bar.
    """
    import pandas as pd

    config, folder = run.config, Path(run.path)
    settings = settings or config.evaluation
    standardiser = run.standardiser()
    asked = [config.weights, config.dump()["method"]] if config.method.builds else []  # prompts may say the weights
    key = _key(config, settings, standardiser, [_identity(run.adapter), *asked])
    file, note = folder / FILE, folder / "evaluation.json"
    if file.is_file() and note.is_file() and json.loads(note.read_text(encoding="utf-8")).get("key") == key:
        return pd.read_parquet(file)
    reference = reference_rows(config, settings, standardiser, cache or folder, progress=progress)
    frame = pd.concat([reference, _aligned_rows(run, settings, standardiser, progress)], ignore_index=True)
    frame = _label(frame, config)
    _write(frame, file)
    note.write_text(
        json.dumps({"key": key, "evaluation": settings.model_dump(mode="json")}, indent=2) + "\n", encoding="utf-8"
    )
    return frame


def reference_rows(
    config: RunConfig, settings: Evaluation, standardiser: Standardiser, cache: Path, *, progress: bool = False
) -> pd.DataFrame:
    """Rows of the policy with its adapter off, from ``cache`` where model, prompts, decoding, rewards and seed agree."""
    import pandas as pd

    file = Path(cache) / f"reference-{_key(config, settings, standardiser)}.parquet"
    if file.is_file():
        return pd.read_parquet(file)
    from lenity.models.policy import load_policy

    model, tokenizer = load_policy(config.policy, _device())
    rewards = _load_rewards(config)
    prompts = held_out_prompts(config, settings, tokenizer, rewards)
    with model.disable_adapter():
        responses = _generate(
            model, tokenizer, prompts, config, settings, title="answering, before" if progress else None
        )
    frame = _rows(
        "reference", prompts, responses, rewards, config=config, standardiser=standardiser, kl=[0.0] * len(prompts)
    )
    _write(frame, file)
    return frame


def held_out_prompts(config: RunConfig, settings: Evaluation, tokenizer: Any, rewards: Mapping[str, Any]) -> list[str]:
    """The evaluation prompts: distinct, within the length windows, ``settings.limit`` of them at even steps."""
    from lenity.data.loading import every
    from lenity.data.prompts import load_prompts, token_counters

    if config.held_out_prompts is None:
        raise ConfigError(
            "held_out_prompts is not set, so there is nothing to evaluate on; name prompts that training does not use."
        )
    return every(load_prompts(config.held_out_prompts, token_counters(tokenizer, rewards))[0], settings.limit)


def _aligned_rows(run: RunFolder, settings: Evaluation, standardiser: Standardiser, progress: bool) -> pd.DataFrame:
    from lenity.evaluation.divergence import log_ratios
    from lenity.models.policy import load_aligned

    config = run.config
    model, tokenizer = load_aligned(run, _device())
    rewards = _load_rewards(config)
    prompts = held_out_prompts(config, settings, tokenizer, rewards)
    shown = config.method.shown(prompts, run)
    responses = _generate(model, tokenizer, shown, config, settings, title="answering, after" if progress else None)
    kl = log_ratios(model, tokenizer, shown, prompts, responses)
    return _rows("aligned", prompts, responses, rewards, config=config, standardiser=standardiser, kl=kl)


def _generate(
    model: Any, tokenizer: Any, prompts: Sequence[str], config: RunConfig, settings: Evaluation, *, title: str | None
) -> list[Any]:
    """Responses to ``prompts``, under a progress bar of that ``title``."""
    from lenity.rollout.transformers import generate_texts
    from lenity.terminal import bar

    model.eval()
    rollout = config.rollout
    decoding: dict[str, Any] = {
        "max_new_tokens": rollout.max_new_tokens,
        "min_new_tokens": rollout.min_new_tokens,
        "stop": tuple(rollout.stop),
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "batch_size": settings.batch_size,
    }
    with bar(title or "", len(prompts), shown=title is not None) as advance:
        responses: list[Any] = generate_texts(
            model, tokenizer, prompts, seed=settings.seed, progress=advance, **decoding
        )
    return responses


def _rows(
    policy: str, prompts: Sequence[str], responses: Sequence[Any], rewards: Mapping[str, Any], *,
    config: RunConfig, standardiser: Standardiser, kl: Sequence[float],
) -> pd.DataFrame:  # fmt: skip
    import pandas as pd

    from lenity.rewards.check import check_scores

    texts = [response.text for response in responses]
    common = {
        "policy": policy,
        "prompt_id": [hashlib.sha256(prompt.encode()).hexdigest()[:12] for prompt in prompts],
        "prompt": list(prompts),
        "response": texts,
        "response_tokens": [response.tokens for response in responses],
        "finished": [response.finished for response in responses],
        "kl": list(kl),
    }
    parts = []
    for name, reward in rewards.items():
        raw = check_scores(name, reward.score(list(prompts), texts), len(texts))
        scores = {"objective": name, "held_out": name in config.held_out_rewards, "raw": raw}
        parts.append(
            pd.DataFrame(common | scores | {"standardised": [float(x) for x in standardiser.apply(name, raw)]})
        )
    return pd.concat(parts, ignore_index=True)


def _label(frame: pd.DataFrame, config: RunConfig) -> pd.DataFrame:
    from lenity.aggregation.base import RULES
    from lenity.config.base import member_name

    frame = frame.copy()
    frame.insert(0, "seed", config.seed)
    frame.insert(0, "weights", json.dumps(config.weights))
    frame.insert(0, "method", member_name(config.method, RULES))
    return frame


def _load_rewards(config: RunConfig) -> dict[str, Any]:
    device = _device()
    return {name: spec.load(device) for name, spec in {**config.rewards, **config.held_out_rewards}.items()}


def _device() -> Any:
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _key(config: RunConfig, settings: Evaluation, standardiser: Standardiser, more: Sequence[Any] = ()) -> str:
    """What the rows depend on, as a short hash."""
    data = config.dump()
    rollout = [data["rollout"][field] for field in ("max_new_tokens", "min_new_tokens", "stop")]
    parts = [
        {field: data["policy"][field] for field in ("model", "revision", "dtype")}, _identity(config.policy.model),
        data["held_out_prompts"], rollout, settings.model_dump(mode="json"), data["rewards"], data["held_out_rewards"],
        {name: _identity(getattr(spec, "model", "")) for name, spec in config.rewards.items()}, standardiser.means, standardiser.stds, *more,
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


def _write(frame: pd.DataFrame, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    frame.to_parquet(partial, index=False)
    partial.replace(file)
