"""An estimate of a sweep's time and disk space, from a short probe of its real models."""

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

ROW_BYTES = 60  # per held-out row, without its texts
LINE_BYTES = 1500  # per line of metrics.jsonl, and per sample
QUICK = 30.0  # seconds; a first load that takes no longer is mostly imports, so a second load is timed


@dataclass(frozen=True)
class Probe:
    """The measurements that all runs of a sweep share.

    Args:
        rates: seconds per response.
        startup: seconds until a worker has imported its libraries.
        loading: seconds to load all models.
        prompts: number of training prompts.
        adapter: bytes per adapter.
        checkpoint: bytes per checkpoint, with its optimizer.
        base: bytes of the merged model that is saved once if the policy is an adapter; otherwise 0.
        characters: mean length of a prompt and its response.
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
    """The estimated seconds of a sweep with its worker processes, and the bytes on disk by kind of file."""

    seconds: float
    adapters: float
    checkpoints: float
    tables: float

    @property
    def disk(self) -> float:
        """The bytes of all files together."""
        return self.adapters + self.checkpoints + self.tables


def probe(config: RunConfig, threads: int) -> Probe:
    """The measurements of the models of ``config``, loaded and run with the ``threads`` threads that a worker has.

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
    """The estimate for the runs that are not done yet, accurate to a factor of about two."""
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
    """The seconds of a run: the rest of its training, and its evaluation."""
    work, now = config.method.work(config, found.prompts), state(config)
    rest = max(0.0, 1 - now.rows / work.rows) if work.rows else 0.0
    prompts = config.evaluation.limit
    evaluation = Work(generated=prompts, scored=prompts, forwards=ADVANTAGE_PASSES * prompts)
    loads = 1 + (work.rows > 0)
    return rest * found.rates.seconds(work) + found.rates.seconds(evaluation) + loads * found.loading


def _table_bytes(config: RunConfig, found: Probe) -> float:
    """The bytes of a run's tables: held-out rows, in the run's folder and again in the sweep's; metrics and samples."""
    rewards = len(config.rewards) + len(config.held_out_rewards)
    held_out = 2 * 2 * config.evaluation.limit * (found.characters + rewards * ROW_BYTES)
    lines = config.method.work(config, found.prompts).rows
    return held_out + lines * LINE_BYTES * (1 + config.logging.samples)


def _bytes(parameters: Any) -> int:
    return sum(p.numel() * p.element_size() for p in parameters)
