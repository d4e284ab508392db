"""Shared by all tests: no network, no telemetry, one thread, the golden cases."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    WANDB_MODE="disabled",
    CUDA_VISIBLE_DEVICES="",
)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background job hands this on to what tests start

from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

settings.register_profile("default", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("default")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data beside the repository; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("../shared is absent: no golden cases and no real data on this machine")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared: Path) -> dict[str, Any]:
    """Cases of an independent slow implementation."""
    return json.loads((shared / "golden" / "arithmetic.json").read_text())


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an untrained two-layer Llama over the toy world's words."""
    import tiny

    return tiny.save_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A toy world whose policy has learned the language; its reward models have not learned much."""
    from lenity.toy.world import build_world

    sizes = {"prompts": 600, "transcripts": 6000, "pairs": 64, "held_out": 30}
    return build_world(cache=tmp_path_factory.mktemp("worlds"), progress=False, settings=sizes)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in each process that a test starts: sums over another number of threads differ in their last digit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
