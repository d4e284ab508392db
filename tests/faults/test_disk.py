"""A full disk and a folder that cannot be written to, for real: nothing saved before is lost, and the run goes on."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest

import tiny
from faults.same import assert_same
from lenity.errors import CheckpointError
from lenity.evaluation.score import evaluate
from lenity.methods import train


def mount(*arguments):
    return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one MiB, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.name != "posix" or not mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)):
        pytest.skip("a small file system needs the right to mount one; run as root, or in a container that may")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder, left):
    """Take all room but ``left`` bytes."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb") as file:
        while True:
            file.write(b"\0" * 4096)
            file.flush()
    os.truncate(folder / "filler", max(0, (folder / "filler").stat().st_size - left))


@pytest.mark.parametrize("left", [0, 8192, 24576, 40960])
def test_a_disk_that_fills_up_in_the_middle(tiny_model, small_disk, tmp_path, left, monkeypatch):
    """While metrics, or a checkpoint, or the adapter is written, as room is left for more of them."""
    straight = train(tiny.run_config(tiny_model, tmp_path / "straight"))
    config = tiny.run_config(tiny_model, small_disk / "run")
    from lenity.training.stages import Stages

    advantages = Stages.compute_advantages

    def filling(self, *arguments):
        if len(self.run.metrics()) == 1:
            fill(small_disk, left)
        return advantages(self, *arguments)

    monkeypatch.setattr(Stages, "compute_advantages", filling)
    with pytest.raises(CheckpointError, match=r"(?s)cannot write to .*No space left.*MiB free.*--resume"):
        train(config)
    assert (small_disk / "run" / "checkpoints" / "iteration_000001" / "manifest.json").is_file()
    monkeypatch.undo()
    (small_disk / "filler").unlink()
    run = train(config, resume=True)
    assert_same(run, straight)
    assert not list(run.path.rglob("*.partial"))


def test_a_disk_that_is_full_when_the_evaluation_is_written(tiny_model, small_disk, tmp_path):
    run = train(tiny.run_config(tiny_model, small_disk / "run"))
    fill(small_disk, 0)
    with pytest.raises(CheckpointError, match="No space left"):
        evaluate(run)
    (small_disk / "filler").unlink()
    assert len(evaluate(run)) == 2 * 2 * 12


def test_a_folder_that_becomes_read_only(tiny_model, small_disk, tmp_path):
    straight = train(tiny.run_config(tiny_model, tmp_path / "straight"))
    config = tiny.run_config(tiny_model, small_disk / "run", iterations=3)
    train(config)
    for name in ("adapter", "README.md"):
        subprocess.run(["rm", "-r", str(small_disk / "run" / name)], check=True)
    assert mount("-o", "remount,ro", str(small_disk))
    with pytest.raises(CheckpointError, match=r"cannot write to .*Read-only file system.*fix the permission"):
        train(config, resume=True)
    assert mount("-o", "remount,rw", str(small_disk))
    assert_same(train(config, resume=True), straight)
