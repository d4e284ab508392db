"""Evaluated runs with toy texts, and servers for them."""

from __future__ import annotations

import random
import threading

import pandas as pd
import pytest

from lenity.judge.config import JudgeConfig
from lenity.toy.language import vocabulary
from lenity.toy.prompts import ToyPrompts
from made_up import write_run
from scripted_server import Scripted


@pytest.fixture
def serve():
    """Starts servers; all are closed at the end."""
    started = []

    def start(script):
        server = Scripted(script)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def folder(tmp_path):
    """A sweep folder with two runs of six prompts; the reference's responses are the same in both."""
    for place, method in enumerate(("plc", "linear")):
        toy_run(tmp_path / "sweep" / "runs" / method, method, seed=place + 1, prompts=6)
    return tmp_path / "sweep"


@pytest.fixture
def one(tmp_path):
    """A run of one prompt with one response, trained on one objective: a single question."""
    toy_run(tmp_path / "one", "plc", seed=0, prompts=1, weights={"helpful": 1.0})
    return tmp_path / "one"


def toy_run(path, method, seed, prompts, weights=None):
    write_run(path, method, weights or {"helpful": 0.5, "harmless": 0.5}, {}, prompts=prompts)
    texts = ToyPrompts(split="test", count=prompts).read()[0]
    frame = pd.read_parquet(path / "evaluation.parquet")
    place = frame["prompt_id"].str[1:].astype(int)
    frame["prompt"] = [texts[i] for i in place]
    frame["response"] = [
        words(1000 * (seed if policy == "aligned" else 0) + i) for policy, i in zip(frame["policy"], place, strict=True)
    ]
    frame.to_parquet(path / "evaluation.parquet", index=False)


def words(seed):
    return "".join(f" {word}" for word in random.Random(seed).choices(vocabulary(), k=6))


@pytest.fixture
def settings():
    """A patient enough configuration."""

    def make(server, **changes):
        url = server if isinstance(server, str) else server.url
        return JudgeConfig(**{"endpoint": url, "model": "tester", "retries": 2, "timeout": 5.0, **changes})

    return make
