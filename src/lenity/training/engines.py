"""Which engine answers the prompts of training: ``rollout.engine``."""

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
    """Look, before anything is loaded, whether the engine is there, and fits the ``processes`` where they are known.

    Raises:
        ConfigError: a copy of the model cannot be spread over them as asked.
        EngineError: the engine is not installed.
    """
    engine = rollout.engine
    if engine == "continuous" and not _has_continuous_batching():
        raise EngineError(
            "rollout.engine is continuous, and this transformers has no continuous batching in pages.",
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
            "Choose a divisor of their number.",
        )


def load(rollout: Rollout, world: World, processes: Processes, *, base: Policy, folder: Path) -> Generator:
    """The engine, ready; it samples from the policy, which must be whole, as it is whenever it is asked.

    Args:
        rollout: which engine, and its settings.
        world: has the policy.
        processes: of the training.
        base: what an engine in another process loads the base model by.
        folder: of the run, where such an engine reads adapters.

    Raises:
        EngineError: it cannot be started or reached, or answers otherwise than the policy itself.
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
