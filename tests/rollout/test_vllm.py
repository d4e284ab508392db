"""vLLM through TRL's own VLLMGeneration and client, over a stand-in for the engine: real vLLM is not run here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import tiny
import vllm_double
from lenity.distributed.processes import ALONE
from lenity.errors import DataError, EngineError
from lenity.methods import train
from lenity.rollout.transformers import TransformersGenerator

PROMPTS = ["\n\nHuman: " + "sure " * n + "\n\nAssistant:" for n in (2, 1, 3)]
RENDEZVOUS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    for name in RENDEZVOUS:  # which TRL sets for vLLM
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    vllm_double.LLM.made.clear()
    with vllm_double.installed():
        yield
    for name in RENDEZVOUS:
        os.environ.pop(name, None)


@pytest.fixture
def server(tiny_model):
    with vllm_double.Server(tiny_model) as server:
        yield server


def generator(tiny_model, tmp_path, rollout=None, **vllm):
    """An engine over a policy whose adapter does something."""
    from lenity.rollout.vllm import VLLMGenerator

    module, tokenizer = tiny.actor_critic(tiny_model)
    settings = {"max_new_tokens": 6, "temperature": 0.8, "min_new_tokens": 0, "stop": []} | (rollout or {})
    config = tiny.run_config(tiny_model, tmp_path, rollout={"engine": "vllm", **settings, "vllm": vllm})
    own = TransformersGenerator(
        module.policy, tokenizer, config.rollout.max_new_tokens, config.rollout.min_new_tokens,
        config.rollout.temperature, config.rollout.top_p, tuple(config.rollout.stop),
    )  # fmt: skip
    module.temperature = config.rollout.temperature
    return VLLMGenerator(
        module.policy,
        tokenizer,
        own.sampling(),
        ALONE,
        rollout=config.rollout,
        base=config.policy,
        folder=Path(config.output),
    ), module


@pytest.mark.parametrize("sleep", [False, True])
def test_in_the_same_process_it_samples_from_the_policy_with_its_adapter(tiny_model, tmp_path, sleep):
    engine, module = generator(tiny_model, tmp_path, sleep=sleep, gpu_memory_utilization=0.2)
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    for change in (0.0, 0.1):
        with torch.no_grad():
            for name, weight in module.policy.named_parameters():
                if "lora_B" in name:
                    weight.add_(change)
                    before["policy." + name] = weight.clone()
            batch = engine.generate(PROMPTS * 4)
            own = module(**batch.inputs).logprobs
        assert torch.allclose(batch.engine_logprobs, own, atol=1e-4)
        assert float(own[batch.response_mask].abs().max()) > 0.1
    assert all(torch.equal(weight, before[name]) for name, weight in module.state_dict().items())
    (llm,) = vllm_double.LLM.made
    assert llm.settings["gpu_memory_utilization"] == 0.2 and llm.settings["logprobs_mode"] == "processed_logprobs"
    assert llm.asleep is sleep


def test_a_server_loads_each_adapter_and_forgets_the_last(tiny_model, tmp_path, server):
    (tmp_path / "engine-of-a-killed-run").mkdir()
    engine, module = generator(tiny_model, tmp_path, mode="server", url=server.url)
    assert not list(tmp_path.glob("engine-*"))
    for _ in range(2):
        with torch.no_grad():
            for name, weight in module.policy.named_parameters():
                if "lora_B" in name:
                    weight.add_(0.1)
            batch = engine.generate(PROMPTS * 2)
            assert torch.allclose(batch.engine_logprobs, module(**batch.inputs).logprobs, atol=1e-4)
    paths = [path for path, _ in server.asked]
    load, ask = "/v1/load_lora_adapter", "/v1/completions"
    assert paths == [load, ask, load, "/v1/unload_lora_adapter", ask]
    names = [body["lora_name"] for path, body in server.asked if path == load]
    assert len(set(names)) == 2 and server.asked[3][1]["lora_name"] == names[0]
    assert [folder.name for folder in tmp_path.glob("engine-*")] == [names[1]]
    del engine
    assert not list(tmp_path.glob("engine-*"))


@pytest.mark.parametrize("mode", ["colocate", "server"])
def test_lengths_ends_and_stop_strings_are_as_ever(tiny_model, tmp_path, server, mode):
    where = {"mode": mode, "url": server.url}
    engine, _ = generator(tiny_model, tmp_path, {"min_new_tokens": 3, "max_new_tokens": 5}, **where)
    batch = engine.generate(PROMPTS * 6)
    lengths = batch.response_mask.sum(1)
    assert int(lengths.min()) >= 3 and int(lengths.max()) == 5
    if mode == "server":
        assert {body["min_tokens"] for path, body in server.asked if path == "/v1/completions"} == {3}
    else:
        assert vllm_double.LLM.made[0].asked[0].min_tokens == 3
    words = [word for text in batch.responses for word in text.split()]
    stop = max(set(words), key=words.count)
    engine, _ = generator(tiny_model, tmp_path, {"stop": [stop], "top_p": 0.9}, **where)
    batch = engine.generate(PROMPTS * 6)
    assert not any(stop in text for text in batch.responses)
    tokens = [row[real] for row, real in zip(batch.response_ids, batch.response_mask, strict=True)]
    met = [stop in engine._tokenizer.decode(row) for row in tokens]
    assert any(met) and bool(batch.finished[torch.tensor(met)].all())
    assert not any(stop in engine._tokenizer.decode(row[:-1]) for row in tokens)


def test_prompts_beyond_the_engines_own_window_are_refused(tiny_model, tmp_path):
    engine, _ = generator(tiny_model, tmp_path, max_model_length=10)
    with pytest.raises(DataError, match="longer than the model's window of 10"):
        engine.generate(["sure " * 8])


def test_whole_weights_go_to_a_server_from_cuda_alone(tiny_model, tmp_path, server):
    with pytest.raises(EngineError, match=r"load_adapter is false.*NCCL, which does not support cpu"):
        generator(tiny_model, tmp_path, mode="server", url=server.url, load_adapter=False)


def test_a_server_that_is_not_there(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(EngineError, match=r"vLLM server at http://127\.0\.0\.1:9 failed \(.*can't be reached"):
        generator(tiny_model, tmp_path, mode="server", url="http://127.0.0.1:9", timeout=0.01)


def test_what_the_engine_says_when_it_does_not_start(tiny_model, tmp_path, monkeypatch):
    def fail(self, **settings):
        raise ValueError("No available memory for the cache blocks.")

    monkeypatch.setattr(vllm_double.LLM, "__init__", fail)
    with pytest.raises(EngineError, match=r"vLLM failed .*No available memory"):
        generator(tiny_model, tmp_path)


def config_of(tiny_model, output, **vllm):
    rollout = {"batch_size": 8, "max_new_tokens": 6, "engine": "vllm", "vllm": vllm}
    return tiny.run_config(tiny_model, output, rollout=rollout, checkpoint={"every": 10})


def test_a_run_trains_with_it(tiny_model, tmp_path):
    rows = train(config_of(tiny_model, tmp_path / "run")).metrics()
    assert len(rows) == 3
    assert all(0 < row["importance_mean"] < 2 and row["engine_gap_max"] < 5 for row in rows)


@pytest.mark.parametrize("how", ["refuses", "is gone"])
def test_a_server_that_dies_midway_costs_no_iteration(tiny_model, tmp_path, server, monkeypatch, how):
    monkeypatch.setattr("urllib3.util.retry.Retry.sleep", lambda *arguments: None)
    config, answer = config_of(tiny_model, tmp_path / "run", mode="server", url=server.url), server.answer

    def dying(path, body):
        if path == "/v1/completions" and sum(asked == path for asked, _ in server.asked) == 2:
            if how == "refuses":
                return 400, "the engine is dead"
            server.server_close()
            raise ConnectionError
        return answer(path, body)

    server.answer = dying
    server.handle_error = lambda *arguments: None
    with pytest.raises(EngineError, match=r"failed \(.*\)\. What was done before is saved\..*--resume"):
        train(config)
    own = config.model_copy(update={"rollout": config.rollout.model_copy(update={"engine": "lenity"})})
    run = train(own, resume=True, allow_changes=True)
    assert [row["iteration"] for row in run.metrics()] == [1, 2, 3]
    assert ["engine_gap_mean" in row for row in run.metrics()] == [True, True, False]
