"""Models from elsewhere: nothing in them is run, unless the configuration says so, and then the run folder says so too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForSequenceClassification, dynamic_module_utils

import tiny
from lenity.config.sections import Policy
from lenity.config.stages import SFTConfig
from lenity.errors import LenityError, ModelError, RewardError
from lenity.finetuning import output
from lenity.models.policy import load_base, load_policy
from lenity.models.scratch import build
from lenity.rewards.reward_model import RewardModelSpec
from lenity.runs.aligned import load_aligned
from lenity.runs.folder import RunFolder
from lenity.toy.training import make_tokenizer

CPU = torch.device("cpu")


class Mark:
    """Pickles to something that makes a file when it is unpickled."""

    def __init__(self, file):
        self._file = file

    def __reduce__(self):
        return Path.touch, (self._file,)


def pickled(weights, mark):
    """``weights``, a safetensors file, as the old format."""
    old = {"model.safetensors": "pytorch_model.bin", "adapter_model.safetensors": "adapter_model.bin"}[weights.name]
    torch.save(load_file(weights) | {"mark": Mark(mark)}, weights.with_name(old))
    weights.unlink()


def policy(folder, trusted=False):
    load_base(Policy(model=str(folder), trust_remote_code=trusted), CPU)


def reward(folder, trusted=False):
    RewardModelSpec(model=str(folder), trust_remote_code=trusted).load(CPU)


def stage(folder, trusted=False):
    data = {"output": "x", "model": str(folder), "data": {"dataset": "d"}, "trust_remote_code": trusted}
    build(SFTConfig.model_validate(data), [])


def save_reward(folder):
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(("load", "error"), [(policy, ModelError), (stage, ModelError), (reward, RewardError)])
def test_a_model_that_is_a_pickle_is_refused(tmp_path, load, error):
    (save_reward if load is reward else tiny.save_model)(tmp_path / "model")
    load(tmp_path / "model")
    pickled(tmp_path / "model" / "model.safetensors", tmp_path / "ran")
    with pytest.raises(error, match="safetensors"):
        load(tmp_path / "model")
    assert not (tmp_path / "ran").exists()


def test_an_adapter_that_is_a_pickle_is_refused(tmp_path):
    config = tiny.run_config(tiny.save_model(tmp_path / "model"), tmp_path / "run")
    run = RunFolder.open(config, resume=False)
    run.save_adapter(load_policy(config.policy, CPU)[0])
    load_aligned(run, CPU)
    policy(run.adapter)
    pickled(run.adapter / "adapter_model.safetensors", tmp_path / "ran")
    for load in (lambda: load_aligned(run, CPU), lambda: policy(run.adapter)):
        with pytest.raises(ModelError, match=r"no adapter_model\.safetensors"):
            load()
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def coded(tmp_path, monkeypatch):
    """A model folder with code of its own, which leaves a mark where it is run."""
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "cache"))
    folder = tiny.save_model(tmp_path / "model")
    names = {
        name: f"own.{name}" for name in ("AutoConfig", "AutoModelForCausalLM", "AutoModelForSequenceClassification")
    }
    settings = json.loads((folder / "config.json").read_text()) | {"model_type": "own", "auto_map": names}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise ValueError('the code ran')\n")
    return folder


@pytest.mark.parametrize("load", [policy, stage, reward])
def test_code_of_a_model_runs_with_the_flag_alone(coded, tmp_path, load):
    with pytest.raises(LenityError, match="trust_remote_code"):
        load(coded)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(LenityError, match="the code ran"):
        load(coded, trusted=True)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("trusted", [False, True])
def test_a_run_says_whether_it_trusted_code(tmp_path, trusted):
    lora = {"r": 4, "alpha": 8, "dropout": 0.0}
    policy = {"model": "m", "dtype": "float32", "lora": lora, "trust_remote_code": trusted}
    rewards = {name: {"type": "model", "model": name, "trust_remote_code": trusted} for name in ("helpful", "harmless")}
    RunFolder.open(tiny.run_config("m", tmp_path / "run", policy=policy, rewards=rewards), resume=False)
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert [part["trust_remote_code"] for part in (written["policy"], *written["rewards"].values())] == [trusted] * 3


def test_a_stage_says_that_it_trusted_code(tmp_path):
    for trusted in (True, False):
        data = {
            "output": str(tmp_path / str(trusted)),
            "model": "m",
            "data": {"dataset": "d"},
            "trust_remote_code": trusted,
        }
        output.run(SFTConfig.model_validate(data), lambda folder: {}, resume=False, gently=False)
        report = json.loads((tmp_path / str(trusted) / "report.json").read_text())
        assert report == ({"trust_remote_code": True} if trusted else {})
