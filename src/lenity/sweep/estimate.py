"""What a sweep will take in time and on disk, from a short probe of its real models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lenity.data.tokens import prompt_ids
from lenity.runs.config import RunConfig
from lenity.runs.work import ADVANTAGE_PASSES, Work
from lenity.sweep.state import done, state
from lenity.training import cost

ROW_BYTES = 60  # of a held-out row without its texts
LINE_BYTES = 1500  # of a line of metrics.jsonl, and of a sample
QUICK = 30.0  # seconds; a first load that takes no longer is mostly imports, so a second one is timed


@dataclass(frozen=True)
class Probe:
    """What was measured once for all runs of a sweep.

    Args:
        rates: seconds of a response.
        startup: seconds until a worker has imported its libraries.
        loading: seconds to load all models.
        prompts: to train on.
        adapter: bytes of an adapter.
        checkpoint: bytes of a checkpoint with its optimizer.
        base: bytes of a merged model, which an adapter as the policy leaves once.
        characters: of a prompt and its response.
    """

    rates: cost.Rates
    startup: float
    loading: float
    prompts: int
    adapter: int
    checkpoint: int
    base: int
    characters: float


@dataclass(frozen=True)
class Estimate:
    """Seconds with the processes at hand, and bytes."""

    seconds: float
    adapters: float
    checkpoints: float
    tables: float

    @property
    def disk(self) -> float:
        """Bytes in all."""
        return self.adapters + self.checkpoints + self.tables


def probe(config: RunConfig, threads: int) -> Probe:
    """Load the models of ``config`` and measure them as one of several workers would, with ``threads`` threads.

    Raises:
        LenityError: a model, a reward or the prompts cannot be loaded.
    """
    import torch

    from lenity.distributed.processes import ALONE
    from lenity.models.saved_adapter import is_adapter
    from lenity.runs.folder import RunFolder
    from lenity.training import engines
    from lenity.training.setup import prepare

    engines.require(config.rollout)
    torch.set_num_threads(threads)
    with TemporaryDirectory() as folder:
        loaded, first = cost.timed(lambda: prepare(config, RunFolder(folder), ALONE))
        loading = first
        if first < QUICK:
            loaded, loading = cost.timed(lambda: prepare(config, RunFolder(folder), ALONE))
    plain, world, trainer = loaded
    policy = [p for p in trainer.actor_critic.policy.parameters() if p.requires_grad]
    trained = [p for p in trainer.actor_critic.parameters() if p.requires_grad]
    texts = [prompt.text for prompt in world.prompts[: cost.PROBE_ROWS]]
    tokens = sum(map(len, prompt_ids(world.tokenizer, texts))) / len(texts)
    prompt = sum(map(len, texts)) / len(texts)
    rates = cost.probe(world, trainer, plain.rollout, mini_batch_size=plain.ppo.mini_batch_size, seed=plain.seed)
    return Probe(
        rates=rates, startup=first - loading, loading=loading, prompts=len(world.prompts), adapter=_bytes(policy),
        checkpoint=_bytes(trained) + 2 * 4 * sum(p.numel() for p in trained),
        base=_bytes(world.policy.get_base_model().parameters()) if is_adapter(config.policy.model) else 0,
        characters=prompt * (1 + config.rollout.max_new_tokens / tokens),
    )  # fmt: skip


def estimate(configs: Sequence[RunConfig], output: Path, found: Probe, jobs: int) -> Estimate:
    """Of the runs that are not done yet; true to a factor of about two."""
    left = [config for config in configs if not done(config)]
    if not left:
        return Estimate(0.0, 0.0, 0.0, 0.0)
    first = left[0]
    each = [_run_seconds(config, found) for config in left]
    shared = found.startup
    if not (output / "standardisation.json").is_file():
        once = first.standardisation.prompts + first.evaluation.limit
        shared += 2 * found.loading + found.rates.seconds(Work(generated=once, scored=once))
    trained = [config for config in left if not config.method.sources]
    looped = [config for config in trained if config.method.loop_rule is not None]
    stages = sum(config.method.work(config, 0).rows for config in trained if config.method.loop_rule is None)
    soups = sum(len(config.method.sources) for config in left if len(config.method.sources) > 1)
    kept = [config.checkpoint.kept(config.iterations) for config in looped]
    return Estimate(
        seconds=shared + max(sum(each) / jobs, *each),
        adapters=found.adapter * (len(trained) + stages + soups) + (0 if (output / "base").exists() else found.base),
        checkpoints=found.checkpoint * sum(kept),
        tables=sum(_table_bytes(config, found) for config in left),
    )


def _run_seconds(config: RunConfig, found: Probe) -> float:
    """Training, as far as it is not done, and evaluation."""
    work, now = config.method.work(config, found.prompts), state(config)
    rest = max(0.0, 1 - now.rows / work.rows) if work.rows else 0.0
    prompts = config.evaluation.limit
    evaluation = Work(generated=prompts, scored=prompts, forwards=ADVANTAGE_PASSES * prompts)
    loads = 1 + (work.rows > 0)
    return rest * found.rates.seconds(work) + found.rates.seconds(evaluation) + loads * found.loading


def _table_bytes(config: RunConfig, found: Probe) -> float:
    """Held-out rows, in the run's folder and once more in the sweep's; metrics and samples."""
    rewards = len(config.rewards) + len(config.held_out_rewards)
    held_out = 2 * 2 * config.evaluation.limit * (found.characters + rewards * ROW_BYTES)
    lines = config.method.work(config, found.prompts).rows
    return held_out + lines * LINE_BYTES * (1 + config.logging.samples)


def _bytes(parameters: Any) -> int:
    return sum(p.numel() * p.element_size() for p in parameters)
