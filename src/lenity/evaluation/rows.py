"""One policy's responses to the held-out prompts: generated, saved until they are scored, one row per prompt and objective."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.config.sections import Progress
from lenity.runs.config import RunConfig
from lenity.storage.atomic_io import replace_text, writing

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from lenity.data.conversation import Prompt
    from lenity.distributed.processes import Processes
    from lenity.rewards.standardise import Standardiser
    from lenity.rollout.transformers import Response


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
    """One response per prompt; ``title`` names the progress bar."""
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


@contextmanager
def saved_responses(
    folder: Path, parts: Sequence[Any], make: Callable[[], list[Response]], processes: Processes
) -> Iterator[list[Response]]:
    """A context with the responses of ``make``, or those saved by an earlier call whose scoring failed; deleted at its normal end.

    Args:
        folder: where the first process saves them.
        parts: everything that they depend on, as JSON data.
        make: generates them, on all processes together.
        processes: of the evaluation.
    """
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    file = folder / f".answers-{key}.json"
    responses = processes.broadcast_from_first(lambda: _read(file))
    if responses is None:
        responses = make()
        if processes.first:
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                replace_text(file, json.dumps([asdict(response) for response in responses]) + "\n")
    yield responses
    if processes.first:
        file.unlink(missing_ok=True)


def _read(file: Path) -> list[Response] | None:
    from lenity.rollout.transformers import Response

    try:
        return [Response(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):  # no file, or not in our format
        return None


def rows(
    policy: str, prompts: Sequence[Prompt], responses: Sequence[Any], rewards: Mapping[str, Any], *,
    config: RunConfig, standardiser: Standardiser, kl: Sequence[float], processes: Processes, progress: Progress,
) -> pd.DataFrame:  # fmt: skip
    """The scored responses of one policy; rewards without standardisation constants get them from these responses.

    Raises:
        RewardError: a reward gives no score to a response; leaving rows out would bias the estimate.
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
    """The raw scores in ``frame``, by objective."""
    return {str(name): part["raw"].tolist() for name, part in frame.groupby("objective", sort=False)}


def load_rewards(config: RunConfig, device: torch.device) -> dict[str, Any]:
    """The rewards trained on and the held-out ones, by name."""
    return {name: spec.load(device) for name, spec in {**config.rewards, **config.held_out_rewards}.items()}
