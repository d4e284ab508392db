"""The engine that generates the responses of training, chosen by ``rollout.engine``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lenity.config.sections import Policy, Rollout
from lenity.distributed.processes import Processes
from lenity.errors import ConfigError, EngineError
from lenity.rollout.base import Generator

if TYPE_CHECKING:
    from lenity.training.setup import World


def require(rollout: Rollout, processes: Processes | None = None) -> None:
    """Check, before anything is loaded, that the engine is installed and fits the number of ``processes``, if they are known.

    Raises:
        ConfigError: ``rollout.vllm.tensor_parallel`` does not divide the number of processes.
        EngineError: the engine is not installed.
    """
    engine = rollout.engine
    if engine == "continuous" and not _has_continuous_batching():
        raise EngineError(
            "rollout.engine is continuous, but the installed transformers has no paged continuous batching.",
            "Install transformers 5.17 or later, or use rollout.engine lenity.",
        )
    if engine == "vllm" and find_spec("vllm") is None:
        raise EngineError(
            "rollout.engine is vllm, which is not installed.",
            "Install it with `pip install 'lenity[vllm]'`, or use rollout.engine lenity or continuous.",
        )
    parallel = rollout.vllm.tensor_parallel
    if engine == "vllm" and processes and processes.count % parallel:
        raise ConfigError(
            f"rollout.vllm.tensor_parallel is {parallel}, which does not divide the {processes.count} processes.",
            "Choose a divisor of the number of processes.",
        )


def load(rollout: Rollout, world: World, processes: Processes, *, base: Policy, folder: Path) -> Generator:
    """The started engine, which samples from the policy's current weights; for all but vLLM the policy must be unsharded.

    Args:
        rollout: which engine, and its settings.
        world: has the policy.
        processes: of the training.
        base: what an engine in another process loads the base model by.
        folder: of the run, where such an engine reads adapters.

    Raises:
        EngineError: the engine cannot be started or reached, or its log-probs differ from the policy's own.
    """
    own = world.generator(rollout)
    if rollout.engine == "continuous":
        from lenity.rollout.continuous import ContinuousGenerator

        engine = ContinuousGenerator(world.policy, world.tokenizer, own.sampling(), own.stop, own.batch_size)
        engine.check()
        return engine
    if rollout.engine == "vllm":
        try:
            from lenity.rollout.vllm import VLLMGenerator
        except ImportError as error:
            raise EngineError(
                f"rollout.engine is vllm, which cannot be imported ({error}).",
                "Install the releases of vLLM and TRL that fit with `pip install 'lenity[vllm]'`.",
            ) from error

        return VLLMGenerator(
            world.policy, world.tokenizer, own.sampling(), processes,
            rollout=rollout, base=base, folder=folder,
        )  # fmt: skip
    return own


def _has_continuous_batching() -> bool:
    import transformers

    config = getattr(transformers, "ContinuousBatchingConfig", None)
    return config is not None and "page_size" in getattr(config, "__dataclass_fields__", {})
