"""One policy's responses to the held-out prompts: generated, saved until they are scored, one row per prompt and objective."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.config.sections import Progress
from lenity.evaluation.measurement import Measurement
from lenity.storage.atomic_io import replace_text, writing

if TYPE_CHECKING:
    import pandas as pd

    from lenity.data.conversation import Prompt
    from lenity.distributed.processes import Processes
    from lenity.rewards.standardise import Standardiser
    from lenity.rollout.transformers import Response


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    measurement: Measurement,
    processes: Processes,
    *,
    title: str,
    progress: Progress,
) -> list[Any]:
    """One response per prompt; ``title`` names the progress bar."""
    from lenity.console.progress import track
    from lenity.rollout.transformers import generate_texts

    model.eval()
    with track(title, len(prompts), unit="responses", settings=progress, shown=processes.first) as advance:
        responses: list[Any] = generate_texts(
            model,
            tokenizer,
            prompts,
            progress=advance,
            processes=processes,
            batch_size=measurement.batch_size,
            **measurement.decoding,
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


@dataclass(frozen=True)
class Scorer:
    """What gives responses their scores.

    Args:
        rewards: by name.
        held_out: names of those that were not trained on.
        standardiser: of raw scores; rewards that it has no constants for get them from the responses scored.
        processes: of the evaluation.
        progress: whether to show progress, and seconds between lines.
    """

    rewards: Mapping[str, Any]
    held_out: Collection[str]
    standardiser: Standardiser
    processes: Processes
    progress: Progress

    def rows(
        self, policy: str, prompts: Sequence[Prompt], responses: Sequence[Any], kl: Sequence[float]
    ) -> pd.DataFrame:
        """The scored responses of one policy, one row per prompt and objective.

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
        title, shown = f"scoring, {policy}", self.processes.first
        with track(title, len(self.rewards), unit="rewards", settings=self.progress, shown=shown) as advance:
            for name, reward in self.rewards.items():
                columns |= score_all({name: reward}, prompts, texts, processes=self.processes)
                advance()
        standardiser = self.standardiser.extended(columns)
        parts = []
        for name, raw in columns.items():
            scores = {"objective": name, "held_out": name in self.held_out, "raw": raw}
            parts.append(pd.DataFrame(common | scores | {"standardised": standardiser.apply(name, raw)}))
        return pd.concat(parts, ignore_index=True)


def raw_columns(frame: pd.DataFrame) -> dict[str, list[float]]:
    """The raw scores in ``frame``, by objective."""
    return {str(name): part["raw"].tolist() for name, part in frame.groupby("objective", sort=False)}
