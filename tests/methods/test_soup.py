"""Soups of adapters against dense matrices, and what is refused."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import tiny
from lenity.errors import ConfigError, ModelError
from lenity.models.soup import save_soup

WEIGHTS = {"helpful": 0.25, "harmless": 0.75}
TARGETS = ["q_proj", "v_proj", "down_proj"]


def adapter(tiny_model, folder, seed, **changes):
    """A random adapter of the tiny model."""
    torch.manual_seed(seed)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": TARGETS, "task_type": "CAUSAL_LM"} | changes
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), LoraConfig(**settings))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.3)
    model.save_pretrained(folder)
    return folder


def update(tiny_model, folder):
    """Dense difference of every weight that the adapter changes, through peft's own merge."""
    base = dict(AutoModelForCausalLM.from_pretrained(tiny_model).named_parameters())
    merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), folder).merge_and_unload()
    return {name: (p - base[name]).detach() for name, p in merged.named_parameters()}


@pytest.mark.parametrize(
    "changes",
    [
        [{}, {}],
        [{"r": 2, "lora_alpha": 8}, {"r": 6, "lora_alpha": 3}],
        [{"use_rslora": True}, {"r": 8, "lora_alpha": 4}],
        [{"target_modules": ["q_proj"]}, {"target_modules": ["v_proj", "q_proj"]}],
    ],
    ids=["alike", "other ranks", "rslora", "other modules"],
)
def test_the_exact_soup_is_the_average_of_the_updates(tiny_model, tmp_path, changes):
    adapters = {name: adapter(tiny_model, tmp_path / name, i, **changes[i]) for i, name in enumerate(WEIGHTS)}
    save_soup(adapters, WEIGHTS, tmp_path / "soup")
    parts = {name: update(tiny_model, folder) for name, folder in adapters.items()}
    found = update(tiny_model, tmp_path / "soup")
    assert any(delta.abs().max() > 0.1 for delta in found.values())
    for key, delta in found.items():
        wanted = sum(WEIGHTS[name] * parts[name][key] for name in WEIGHTS)
        torch.testing.assert_close(delta, wanted, rtol=0, atol=1e-6, msg=key)


def test_averaging_factors_is_something_else(tiny_model, tmp_path):
    adapters = {name: adapter(tiny_model, tmp_path / name, i) for i, name in enumerate(WEIGHTS)}
    for mode in ("exact", "factors"):
        save_soup(adapters, WEIGHTS, tmp_path / mode, mode)
    exact, factors = (update(tiny_model, tmp_path / mode) for mode in ("exact", "factors"))
    key = next(key for key, delta in exact.items() if delta.abs().max() > 0)
    assert (exact[key] - factors[key]).norm() > 0.3 * exact[key].norm()
    config = json.loads((tmp_path / "factors" / "adapter_config.json").read_text())
    assert config["r"] == 4


def test_one_weight_of_1_is_that_adapter(tiny_model, tmp_path):
    adapters = {name: adapter(tiny_model, tmp_path / name, i) for i, name in enumerate(WEIGHTS)}
    save_soup(adapters, {"helpful": 0.0, "harmless": 1.0}, tmp_path / "soup")
    torch.testing.assert_close(
        update(tiny_model, tmp_path / "soup"), update(tiny_model, adapters["harmless"]), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    ("changes", "mode", "message"),
    [
        ({"use_dora": True}, "exact", "use_dora True"),
        ({"rank_pattern": {"q_proj": 2}}, "exact", "rank_pattern"),
        ({"bias": "all"}, "exact", "bias 'all'"),
        ({"layers_to_transform": [1]}, "exact", r"layers_to_transform \[1\]"),
        ({"layers_to_transform": 0}, "factors", "layers_to_transform 0"),
        ({"layers_to_transform": [1], "layers_pattern": "layers"}, "exact", "layers_pattern 'layers'"),
        ({"exclude_modules": ["layers.0.self_attn.q_proj"]}, "exact", "exclude_modules"),
        ({"layer_replication": [[0, 2], [1, 2]]}, "exact", "layer_replication"),
        ({"target_parameters": ["lm_head.weight"]}, "exact", "target_parameters"),
        ({"trainable_token_indices": [1, 2]}, "exact", "trainable_token_indices"),
        ({"init_lora_weights": "pissa"}, "exact", "init_lora_weights 'pissa'"),
        ({"init_lora_weights": "olora"}, "exact", "init_lora_weights 'olora'"),
        ({"r": 2}, "factors", "Use mode 'exact'"),
        ({"lora_alpha": 2}, "factors", "Use mode 'exact'"),
    ],
)
def test_what_would_be_silently_wrong_is_refused(tiny_model, tmp_path, changes, mode, message):
    adapters = {
        "helpful": adapter(tiny_model, tmp_path / "a", 0),
        "harmless": adapter(tiny_model, tmp_path / "b", 1, **changes),
    }
    with pytest.raises(ModelError, match=message):
        save_soup(adapters, WEIGHTS, tmp_path / "soup", mode)


@pytest.mark.parametrize("field", ["peft_type", "some_later_option"])
def test_settings_that_plain_lora_does_not_have_are_refused(tiny_model, tmp_path, field):
    adapters = {name: adapter(tiny_model, tmp_path / name, i) for i, name in enumerate(WEIGHTS)}
    file = adapters["helpful"] / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: "OTHER"}))
    with pytest.raises(ModelError, match=f"{field} 'OTHER'"):
        save_soup(adapters, WEIGHTS, tmp_path / "soup")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"helpful": 0.5, "harmless": 0.7}, r"sum to 1\.2, not 1"),
        ({"helpful": 0.0, "harmless": 0.0}, "sum to 0"),
        ({"helpful": 1.5, "harmless": -0.5}, r"weights\.harmless is -0\.5"),
        ({"helpful": float("nan"), "harmless": 1.0}, "finite"),
        ({"helpful": 1.0}, "adapters for .* Give \\['harmless'\\] both"),
        ({"helpful": 0.5, "harmless": 0.25, "humorous": 0.25}, "Give \\['humorous'\\] both"),
    ],
)
def test_weights_of_no_average_are_refused(tmp_path, weights, message):
    with pytest.raises(ConfigError, match=message):
        save_soup({name: tmp_path / name for name in WEIGHTS}, weights, tmp_path / "soup")
    assert not (tmp_path / "soup").exists()


def test_weights_are_divided_by_their_sum(tiny_model, tmp_path):
    """Where the sum is 1 but for rounding, the average of an adapter with itself is that adapter all the same."""
    one = adapter(tiny_model, tmp_path / "one", 0)
    save_soup({"a": one, "b": one}, {"a": 0.5, "b": 0.5 + 9e-7}, tmp_path / "soup", "factors")
    found, wanted = (load_file(folder / "adapter_model.safetensors") for folder in (tmp_path / "soup", one))
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=3e-7, atol=0)


def test_a_solo_run_of_no_objective_is_refused(tmp_path):
    solo = {"helpfull": "runs/a", "harmless": "runs/b"}
    with pytest.raises(ConfigError, match=r"method\.solo has \['helpfull'\], but the objectives are"):
        tiny.run_config("m", tmp_path, method={"type": "soups", "solo": solo})


def test_adapters_of_unlike_bases_are_refused(tiny_model, tmp_path):
    other = shutil.copytree(tiny_model, tmp_path / "other")
    adapters = {"helpful": adapter(tiny_model, tmp_path / "a", 0), "harmless": adapter(other, tmp_path / "b", 1)}
    with pytest.raises(ModelError, match="different base models") as refused:
        save_soup(adapters, WEIGHTS, tmp_path / "soup")
    remedy = f"Train all runs with the same merged model as policy.model, such as '{min(str(tiny_model), str(other))}'"
    assert remedy in str(refused.value) and "lenity sweep" in str(refused.value)


def test_solo_takes_one_objective_alone(tmp_path):
    assert tiny.run_config("m", tmp_path, method="solo", weights={"helpful": 1, "harmless": 0}).method
    with pytest.raises(ConfigError, match="method solo trains one objective"):
        tiny.run_config("m", tmp_path, method="solo")
