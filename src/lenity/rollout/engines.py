"""Which engine answers the prompts of training: ``rollout.engine``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lenity.config.run import RunConfig
from lenity.errors import ConfigError, EngineError
from lenity.rollout.base import Generator

if TYPE_CHECKING:
    from lenity.setup import World


def require(config: RunConfig, accelerator: Any) -> None:
    """Look, before anything is loaded, whether the engine is there and fits how the model is spread.

    Raises:
        ConfigError: the model's weights are shared out over processes.
        EngineError: the engine is not installed.
    """
    engine, spread = config.rollout.engine, _sharded(accelerator)
    if engine == "lenity":
        return
    if spread:
        raise ConfigError(
            f"rollout.engine is {engine}, which needs the whole policy in each process, and {spread} shares it out.",
            "Use rollout.engine lenity, or start the run without sharding.",
        )
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
    parallel = config.rollout.vllm.tensor_parallel
    if engine == "vllm" and accelerator.num_processes % parallel:
        raise ConfigError(
            f"rollout.vllm.tensor_parallel is {parallel}, which does not divide the {accelerator.num_processes} processes.",
            "Choose a divisor of their number.",
        )


def load(config: RunConfig, world: World, accelerator: Any) -> Generator:
    """The engine, ready; it samples from the policy as it is whenever it is asked.

    Raises:
        EngineError: it cannot be started or reached.
    """
    own = world.generator(config)
    if config.rollout.engine == "continuous":
        from lenity.rollout.continuous import ContinuousGenerator

        return ContinuousGenerator(world.policy, world.tokenizer, own.sampling(), own.stop, own.batch_size)
    if config.rollout.engine == "vllm":
        try:
            from lenity.rollout.vllm import VLLMGenerator
        except ImportError as error:
            raise EngineError(
                f"rollout.engine is vllm, which cannot be imported ({error}).",
                "Install the releases of vLLM and TRL that fit with `pip install 'lenity[vllm]'`.",
            ) from error

        return VLLMGenerator(config, world.policy, world.tokenizer, own.sampling(), accelerator)
    return own


def _sharded(accelerator: Any) -> str:
    """The name of what shares the weights out over processes; empty where each process has them all."""
    kind = str(getattr(accelerator.distributed_type, "value", accelerator.distributed_type))
    plugin = getattr(accelerator.state, "deepspeed_plugin", None)
    if plugin is not None and plugin.zero_stage == 3:
        return "DeepSpeed ZeRO-3"
    return kind if kind in {"FSDP", "MEGATRON_LM"} else ""


def _has_continuous_batching() -> bool:
    import transformers

    config = getattr(transformers, "ContinuousBatchingConfig", None)
    return config is not None and "page_size" in getattr(config, "__dataclass_fields__", {})
