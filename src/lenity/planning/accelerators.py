"""Accelerators and their links: figures of the manufacturers' data sheets, and default prices, which a user may replace."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lenity.config.base import Section
from lenity.config.sections import Positive
from lenity.errors import ConfigError

NODE = 8  # accelerators per machine


class Accelerator(Section):
    """The figures of one accelerator. Sources: the manufacturers' data sheets; dense bfloat16; links in one direction.

    Prices are round figures within the range of on-demand cloud prices per hour in 2026, which differ by a factor of three.
    """

    memory: Positive = Field(description="GiB that a process can use")
    flops: Positive = Field(description="peak operations per second in bfloat16")
    bandwidth: Positive = Field(description="bytes per second from its memory")
    link: Positive = Field(description="bytes per second to the other accelerators of a machine, one direction")
    network: Positive = Field(50e9, description="bytes per second to other machines, per accelerator")
    price: Annotated[float, Field(ge=0)] = Field(description="dollars per hour")


ACCELERATORS = {
    "a100": Accelerator(memory=79.0, flops=312e12, bandwidth=2.04e12, link=300e9, price=2.0),  # SXM, 80 GB
    "h100": Accelerator(memory=79.0, flops=989e12, bandwidth=3.35e12, link=450e9, price=3.0),  # SXM
    "h200": Accelerator(memory=140.0, flops=989e12, bandwidth=4.8e12, link=450e9, price=3.5),  # SXM
    "l40s": Accelerator(memory=44.5, flops=362e12, bandwidth=0.864e12, link=32e9, price=1.0),  # PCIe 4, no NVLink
}


class Assumptions(Section):
    """The assumptions that no data sheet settles; the estimate of time is only as accurate as these."""

    mfu: Annotated[float, Field(gt=0, le=1)] = Field(
        0.4, description="model FLOPs utilisation: share of the peak operations that long passes reach"
    )
    reach: Annotated[float, Field(gt=0, le=1)] = Field(0.7, description="share of each bandwidth that is reached")
    layer_seconds: Annotated[float, Field(ge=0)] = Field(
        5e-4, description="minimum seconds per layer and decoding step, with adapters and one launch per kernel"
    )
    engine_layer_seconds: Annotated[float, Field(ge=0)] = Field(
        5e-5, description="the same in an engine with tensor parallelism, which launches whole steps"
    )
    overhead: Annotated[float, Field(ge=0)] = Field(2.0, description="GiB of contexts, communication and kernels")
    fragments: Annotated[float, Field(ge=0, lt=1)] = Field(0.05, description="share of memory lost to fragmentation")


def accelerator(name: str, memory: float | None = None, price: float | None = None) -> Accelerator:
    """The accelerator ``name`` of the table, with ``memory`` (GiB) and ``price`` (dollars per hour) replaced where given.

    Raises:
        ConfigError: the table has no such accelerator.
    """
    if name not in ACCELERATORS:
        raise ConfigError(
            f"--gpu is '{name}', which is not in the table.",
            f"Choose one of {', '.join(ACCELERATORS)}, and adapt it with --gpu-memory and --price.",
        )
    replaced = {"memory": memory, "price": price}
    figures = ACCELERATORS[name].model_dump() | {field: value for field, value in replaced.items() if value is not None}
    return Accelerator(**figures)
