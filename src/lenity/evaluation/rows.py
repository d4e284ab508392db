"""One policy's answers to the held-out prompts, scored: one row a prompt and objective."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lenity.config.sections import Progress
from lenity.runs.config import RunConfig

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from lenity.data.conversation import Prompt
    from lenity.distributed.processes import Processes
    from lenity.rewards.standardise import Standardiser


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    config: RunConfig,
    processes: Processes,
    *,
    title: str,
    progress: Progress,
) -> list[Any]:
    """Responses to ``prompts``; ``title`` is what the progress is called."""
    from lenity.console.progress import track
    from lenity.rollout.transformers import generate_texts

    model.eval()
    settings = config.evaluation
    with track(title, len(prompts), unit="responses", settings=progress, shown=processes.first) as advance:
        responses: list[Any] = generate_texts(
            model,
            tokenizer,
            prompts,
            progress=advance,
            processes=processes,
            batch_size=settings.batch_size,
            **settings.decoding(config.rollout),
        )
    return responses


def rows(
    policy: str, prompts: Sequence[Prompt], responses: Sequence[Any], rewards: Mapping[str, Any], *,
    config: RunConfig, standardiser: Standardiser, kl: Sequence[float], processes: Processes, progress: Progress,
) -> pd.DataFrame:  # fmt: skip
    """The scored responses of one policy; rewards without constants get them from these responses.

    Raises:
        RewardError: a reward leaves a response without a score; an estimate must not silently leave rows out.
    """
    import pandas as pd

    from lenity.console.progress import track
    from lenity.rewards.asking import score_all

    asked, texts = [prompt.text for prompt in prompts], [response.text for response in responses]
    common = {
        "policy": policy,
        "prompt_id": [hashlib.sha256(text.encode()).hexdigest()[:12] for text in asked],
        "prompt": asked,
        "response": texts,
        "response_tokens": [response.tokens for response in responses],
        "finished": [response.finished for response in responses],
        "kl": list(kl),
    }
    columns: dict[str, list[float]] = {}
    with track(f"scoring, {policy}", len(rewards), unit="rewards", settings=progress, shown=processes.first) as advance:
        for name, reward in rewards.items():
            columns |= score_all({name: reward}, prompts, texts, processes=processes)
            advance()
    standardiser = standardiser.extended(columns)
    parts = []
    for name, raw in columns.items():
        scores = {"objective": name, "held_out": name in config.held_out_rewards, "raw": raw}
        parts.append(pd.DataFrame(common | scores | {"standardised": standardiser.apply(name, raw)}))
    return pd.concat(parts, ignore_index=True)


def raw_columns(frame: pd.DataFrame) -> dict[str, list[float]]:
    """Raw scores by objective."""
    return {str(name): part["raw"].tolist() for name, part in frame.groupby("objective", sort=False)}


def load_rewards(config: RunConfig, device: torch.device) -> dict[str, Any]:
    """Those trained on and the held-out ones, by name."""
    return {name: spec.load(device) for name, spec in {**config.rewards, **config.held_out_rewards}.items()}
