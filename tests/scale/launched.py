"""Several processes of the real command line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

CONFIGS = Path(__file__).parents[2] / "configs" / "accelerate"


def launch(config, processes, *arguments, cwd, code=0):
    """``accelerate launch`` until its end; its exit code is 1 where a process has another than 0."""
    found = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIGS / f"{config}.yaml"),
         "--num_processes", str(processes), "--module", "lenity", *map(str, arguments)],
        check=False, cwd=cwd, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert found.returncode == code, found.stderr
    return found


def start(processes, *arguments, cwd):
    """The processes themselves, as a launcher would start them: no agent ends the others when one dies."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "lenity", *map(str, arguments)],
            cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(processes)
    ]  # fmt: skip
