"""Accelerators and how they are connected: what makers say of them, and prices to be replaced by yours."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lenity.config.base import Section
from lenity.config.sections import Positive
from lenity.errors import ConfigError

NODE = 8  # accelerators that are connected within a machine


class Accelerator(Section):
    """One accelerator. Sources: the makers' data sheets, dense bfloat16; links are of one direction.

    Prices are round figures within what clouds asked for an hour on demand in 2026; they differ by a factor of three.
    """

    memory: Positive = Field(description="GiB that a process can use")
    flops: Positive = Field(description="peak operations a second in bfloat16")
    bandwidth: Positive = Field(description="bytes a second from its memory")
    link: Positive = Field(description="bytes a second to the others of a machine, one direction")
    network: Positive = Field(50e9, description="bytes a second to other machines, each accelerator's share")
    price: Annotated[float, Field(ge=0)] = Field(description="dollars an hour")


ACCELERATORS = {
    "a100": Accelerator(memory=79.0, flops=312e12, bandwidth=2.04e12, link=300e9, price=2.0),  # SXM, 80 GB
    "h100": Accelerator(memory=79.0, flops=989e12, bandwidth=3.35e12, link=450e9, price=3.0),  # SXM
    "h200": Accelerator(memory=140.0, flops=989e12, bandwidth=4.8e12, link=450e9, price=3.5),  # SXM
    "l40s": Accelerator(memory=44.5, flops=362e12, bandwidth=0.864e12, link=32e9, price=1.0),  # PCIe 4, no NVLink
}


class Assumptions(Section):
    """What no data sheet says. The estimate of time is as good as these."""

    mfu: Annotated[float, Field(gt=0, le=1)] = Field(0.4, description="share of the peak that long passes reach")
    reach: Annotated[float, Field(gt=0, le=1)] = Field(0.7, description="share of bandwidths that is reached")
    layer_seconds: Annotated[float, Field(ge=0)] = Field(
        5e-4, description="a decoding step's least time in a layer with adapters, started kernel by kernel"
    )
    engine_layer_seconds: Annotated[float, Field(ge=0)] = Field(
        5e-5, description="the same in an engine that splits the model and starts whole steps"
    )
    overhead: Annotated[float, Field(ge=0)] = Field(2.0, description="GiB of contexts, communication and kernels")
    fragments: Annotated[float, Field(ge=0, lt=1)] = Field(0.05, description="share of memory lost between blocks")


def accelerator(name: str, memory: float | None = None, price: float | None = None) -> Accelerator:
    """One of the table, with the user's figures in place of its own.

    Raises:
        ConfigError: the table has no such accelerator.
    """
    if name not in ACCELERATORS:
        raise ConfigError(
            f"--gpu is '{name}'.", f"Choose of {', '.join(ACCELERATORS)}, and correct it by --gpu-memory and --price."
        )
    given = {"memory": memory, "price": price}
    found = ACCELERATORS[name].model_dump() | {field: value for field, value in given.items() if value is not None}
    return Accelerator(**found)
