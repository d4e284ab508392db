"""Adapters from folders: new tokens, and what is wrong with a folder in two lines."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from peft import IA3Config, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

import tiny
from lenity.config.load import parse
from lenity.config.stages import SFTConfig
from lenity.errors import ModelError
from lenity.models.policy import load_base, load_policy, load_tokenizer, merged
from lenity.models.scratch import build
from lenity.rollout.transformers import TransformersGenerator
from lenity.runs.aligned import load_aligned
from lenity.runs.folder import RunFolder

CPU = torch.device("cpu")
NEW = ["<happy>", "<sad>", "<bored>"]


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def base(request, tmp_path):
    return (tiny.save_tied if request.param else tiny.save_model)(tmp_path / "base")


def with_new_tokens(base, folder, *, padded=0, **settings):
    """An adapter of a model that got three tokens; its tokenizer is beside it."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = len(tokenizer) + len(NEW) + padded
    wanted = tiny.save_adapter(base, folder, rows=rows, **settings)
    tokenizer.add_tokens(NEW)
    tokenizer.save_pretrained(folder)
    return wanted, rows


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["q_proj"]},
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"target_modules": ["embed_tokens", "lm_head"]},
        {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"]},
        {"target_modules": ["q_proj"], "trainable_token_indices": [165, 166, 167]},
    ],
    ids=["resized", "embedding", "both", "whole", "tokens"],
)
@pytest.mark.parametrize("padded", [0, 8])
def test_new_tokens_with_their_tokenizer(base, tmp_path, settings, padded):
    wanted, rows = with_new_tokens(base, tmp_path / "adapter", padded=padded, **settings)
    policy = tiny.settings(tmp_path / "adapter")
    tied = json.loads((base / "config.json").read_text())["tie_word_embeddings"]
    if not tied and settings["target_modules"] == ["q_proj", "embed_tokens"]:
        with pytest.raises(ModelError, match="new rows of an embedding or the head are missing"):
            load_base(policy, CPU)  # peft has not saved the head's
        return
    torch.testing.assert_close(tiny.logits(load_base(policy, CPU)), wanted, rtol=1e-4, atol=1e-3)
    policy = merged(policy, tmp_path / "merged")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(tiny.logits(model), wanted, rtol=1e-4, atol=1e-3)
    assert model.config.vocab_size == rows
    aligned, tokenizer = load_policy(policy, CPU)
    ids = tokenizer("".join(NEW), add_special_tokens=False)["input_ids"]
    assert ids == [165, 166, 167] and tokenizer.decode(ids).replace(" ", "") == "".join(NEW)
    answers = TransformersGenerator(aligned, tokenizer, 4, 0, 1.0, 1.0, (), 2).generate(
        ["<happy> sure", "like <bored>"]
    )
    assert len(answers.responses) == 2


def test_new_tokens_without_a_tokenizer_are_refused(base, tmp_path):
    with_new_tokens(base, tmp_path / "adapter", target_modules=["q_proj"])
    for file in (tmp_path / "adapter").glob("*token*"):
        file.unlink()
    with pytest.raises(ModelError, match=r"has 168 tokens and its base model 165, and no tokenizer is beside it"):
        load_policy(tiny.settings(tmp_path / "adapter"), CPU)


def test_new_tokens_whose_embeddings_are_missing_are_refused(base, tmp_path):
    with_new_tokens(base, tmp_path / "adapter", target_modules=["q_proj"])
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({name: value for name, value in load_file(file).items() if "lora_" in name}, file)
    with pytest.raises(
        ModelError, match=r"tokenizer beside the adapter .* has 168 tokens, and there are embeddings of 165"
    ):
        load_policy(tiny.settings(tmp_path / "adapter"), CPU)
    with_new_tokens(base, tmp_path / "other", target_modules=["embed_tokens"])
    file = tmp_path / "other" / "adapter_model.safetensors"
    save_file({name: value for name, value in load_file(file).items() if "lora_" in name}, file)
    with pytest.raises(ModelError, match=r"has 168 tokens and its base model 165, and the new rows"):
        load_policy(tiny.settings(tmp_path / "other"), CPU)


def test_an_adapter_of_its_own_base_revision_and_tokenizer(base, tmp_path):
    """Without a tokenizer of its own it has that of its base model."""
    tiny.save_adapter(base, tmp_path / "adapter", target_modules=["q_proj"])
    assert len(load_tokenizer(tiny.settings(tmp_path / "adapter"))) == 165


def settings(adapter, **changes):
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def without_settings(adapter, base):
    (adapter / "adapter_config.json").write_text("{")


def not_settings(adapter, base):
    (adapter / "adapter_config.json").write_text("[1]")


def cut_short(adapter, base):
    file = adapter / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:100])


def base_cut_short(adapter, base):
    file = base / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])


def other_shapes(adapter, base):
    file = adapter / "adapter_model.safetensors"
    save_file({name: value[:, :2].contiguous() for name, value in load_file(file).items()}, file)


def some_missing(adapter, base):
    file = adapter / "adapter_model.safetensors"
    save_file(dict(list(load_file(file).items())[:-1]), file)


def more_layers(adapter, base):
    tiny.save_model(base, layers=3)


def fewer_layers(adapter, base):
    shutil.rmtree(base)
    tiny.save_model(base, layers=1)


def wider(adapter, base):
    tiny.save_model(base, hidden=32)


def no_base(adapter, base):
    shutil.rmtree(base)


def prompt_tuning(adapter, base):
    special(adapter, base, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3))


def prefix_tuning(adapter, base):
    special(adapter, base, PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3))


def special(adapter, base, config):
    shutil.rmtree(adapter)
    get_peft_model(LlamaForCausalLM.from_pretrained(base), config).save_pretrained(adapter)


BROKEN = {
    "no JSON": (without_settings, "cannot load the adapter"),
    "no object": (not_settings, "names no base model"),
    "cut short": (cut_short, "cannot load the adapter .*SafetensorError"),
    "base cut short": (base_cut_short, "cannot load the base model of the adapter .*SafetensorError"),
    "shapes": (other_shapes, "cannot load the adapter"),
    "rank": (lambda a, b: settings(a, r=2), "cannot load the adapter .*RuntimeError"),
    "some missing": (some_missing, "do not have the same layers"),
    "more layers": (more_layers, "do not have the same layers"),
    "fewer layers": (fewer_layers, "do not have the same layers"),
    "wider base": (wider, "cannot load the adapter"),
    "no base": (no_base, "the base model of the adapter '.*' is '.*', a folder that does not exist"),
    "base unnamed": (lambda a, b: settings(a, base_model_name_or_path=None), "names no base model"),
    "base elsewhere": (lambda a, b: settings(a, base_model_name_or_path="no-such-model"), "the base model of the adapter"),
    "other task": (lambda a, b: settings(a, task_type="SEQ_CLS"), "has task_type SEQ_CLS"),
    "unknown type": (lambda a, b: settings(a, peft_type="LATER"), "cannot load the adapter"),
    "no type": (lambda a, b: settings(a, peft_type=None), "cannot load the adapter"),
    "other type": (lambda a, b: settings(a, peft_type="IA3"), "the adapter"),
    "no layers": (lambda a, b: settings(a, target_modules=["query"]), "the adapter"),
    "a bad pattern": (lambda a, b: settings(a, target_modules="(q_proj"), "cannot load the adapter"),
    "later field": (lambda a, b: settings(a, some_later_option=2), "does not know .*some_later_option"),
    "prompts": (prompt_tuning, "type PROMPT_TUNING"),
    "prefixes": (prefix_tuning, "type PREFIX_TUNING"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_wrong_with_an_adapter_is_said_in_two_lines(tmp_path, kind):
    spoil, message = BROKEN[kind]
    base, adapter = tiny.save_model(tmp_path / "base"), tmp_path / "adapter"
    tiny.save_adapter(base, adapter, tokenizer=True, target_modules=["q_proj", "v_proj"])
    spoil(adapter, base)
    with pytest.raises(ModelError, match=message) as error:
        load_policy(tiny.settings(adapter), CPU)
    assert error.value.remedy and "\n" not in f"{error.value.what}{error.value.remedy}"


@pytest.mark.parametrize("kind", ["cut short", "rank", "some missing", "fewer layers", "wider base"])
def test_so_is_what_is_wrong_with_a_runs_adapter(tmp_path, kind):
    base = tiny.save_model(tmp_path / "base")
    run = RunFolder.open(tiny.run_config(base, tmp_path / "run"), resume=False)
    run.save_adapter(load_policy(run.config.policy, CPU)[0])
    BROKEN[kind][0](run.adapter, base)
    with pytest.raises(ModelError, match=r"adapter .*run/adapter'"):
        load_aligned(run, CPU)


def test_another_kind_of_adapter_that_can_be_merged_is_merged(tmp_path):
    base = tiny.save_model(tmp_path / "base")
    config = IA3Config(task_type="CAUSAL_LM", target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"])
    model = get_peft_model(LlamaForCausalLM.from_pretrained(base), config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "ia3" in name:
                parameter.normal_(1, 0.5)
    model.save_pretrained(tmp_path / "adapter")
    found = tiny.logits(load_base(tiny.settings(tmp_path / "adapter"), CPU))
    torch.testing.assert_close(found, tiny.logits(model), rtol=1e-4, atol=1e-3)


def test_an_adapter_beside_the_settings_of_its_base_model_is_merged(tmp_path):
    base = tiny.save_model(tmp_path / "base")
    wanted = tiny.save_adapter(base, tmp_path / "adapter", tokenizer=True, target_modules=["q_proj"])
    shutil.copy(base / "config.json", tmp_path / "adapter")
    torch.testing.assert_close(
        tiny.logits(load_base(tiny.settings(tmp_path / "adapter"), CPU)), wanted, rtol=1e-4, atol=1e-3
    )


def test_an_adapter_beside_whole_weights_is_not_trained_over(tmp_path):
    base = tiny.save_model(tmp_path / "base")
    tiny.save_adapter(base, base, target_modules=["q_proj"])
    with pytest.raises(ModelError, match=r"policy\.model is '.*', which holds an adapter beside a model"):
        load_policy(tiny.settings(base), CPU)


def test_fine_tuning_starts_from_no_adapter(tmp_path):
    base = tiny.save_model(tmp_path / "base")
    tiny.save_adapter(base, tmp_path / "adapter", tokenizer=True, target_modules=["q_proj"])
    data = {"output": "x", "model": str(tmp_path / "adapter"), "data": {"dataset": "d"}}
    with pytest.raises(ModelError, match="holds an adapter"):
        build(parse(SFTConfig, data), [])


@pytest.mark.parametrize(
    "change", [{"vocab_size": 300}, {"hidden_size": 18}, {"num_attention_heads": 0}, {"model_type": "later"}]
)
def test_a_model_whose_settings_are_not_those_of_its_weights(tmp_path, change):
    base = tiny.save_model(tmp_path / "base")
    file = base / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ModelError, match=r"cannot load policy\.model"):
        load_base(tiny.settings(base), CPU)
