"""Which layers get an adapter, in families of models whose layers are not all alike."""

from __future__ import annotations

import json
import re

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

import tiny
from lenity.config.load import parse
from lenity.config.sections import LoRA
from lenity.config.stages import RewardTrainingConfig, SFTConfig
from lenity.errors import ModelError
from lenity.finetuning import reward_models as reward_training
from lenity.finetuning import supervised as sft
from lenity.methods import train
from lenity.models.adapter import attach
from lenity.models.critic import separate_backbone
from lenity.models.policy import load_base, load_policy
from lenity.runs.folder import RunFolder
from lenity.toy.training import make_tokenizer

CPU = torch.device("cpu")
SIZES = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}  # fmt: skip
EXPERTS, MAMBA = {"num_local_experts": 4}, {"mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8}
FAMILIES = {  # settings, and what all-linear leaves out
    "llama": ({}, []),
    "gpt2": ({"n_embd": 32, "n_layer": 2, "n_head": 4}, []),
    "mamba": ({"state_size": 4}, ["MambaMixer.dt_proj", "MambaMixer.out_proj"]),
    "mamba2": ({"num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 1}, ["Mamba2Mixer.out_proj"]),
    "falcon_mamba": ({"state_size": 4}, ["FalconMambaMixer.dt_proj", "FalconMambaMixer.out_proj"]),
    "falcon_h1": ({"mamba_d_ssm": 32, "head_dim": 8} | MAMBA, ["FalconH1Mixer.out_proj"]),
    "llama4_text": ({"num_local_experts": 2, "head_dim": 8, "intermediate_size_mlp": 48}, ["Llama4TextMoe.router", "experts"]),
    "phimoe": (EXPERTS, ["PhimoeSparseMoeBlock.router", "experts"]),
    "mixtral": (EXPERTS, ["no linear layer (ValueError: lora.ParamWrapper does not work with lora_dropout", "experts"]),
    "granitemoe": (EXPERTS, ["experts"]),
    "jamba": ({"num_experts": 2, "mamba_d_state": 4, "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2}, ["JambaMambaMixer.dt_proj", "experts"]),
}  # fmt: skip


def fresh(family, **changes):
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    ids = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": 1,
        "eos_token_id": tokenizer.eos_token_id,
    }
    config = CONFIG_MAPPING[family](**SIZES | ids | FAMILIES.get(family, [{}])[0] | changes)
    return AutoModelForCausalLM.from_config(config).eval()


def randomise(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.3)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_linear_leaves_out_what_cannot_be_adapted_and_says_so(tmp_path, family):
    said = []
    adapted = attach(fresh(family), LoRA(r=2, alpha=4), notify=said.append)
    assert bool(said) == bool(FAMILIES[family][1]) and all("all-linear" in text for text in said)
    for what in FAMILIES[family][1]:
        assert sum(what in text for text in said) == 1
    randomise(adapted)
    wanted = tiny.logits(adapted)
    tiny_loss = adapted(input_ids=torch.arange(20)[None]).logits.square().mean()
    tiny_loss.backward()
    trained = {
        name.rpartition(".lora_")[0] for name, p in adapted.named_parameters() if p.grad is not None and p.grad.any()
    }
    dead = {
        name
        for name, p in adapted.named_parameters()
        if "lora_B" in name and name.rpartition(".lora_")[0] not in trained
    }
    assert trained and not dead, "each layer that has an adapter is trained"
    adapted.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["exclude_modules"] is None
    found = PeftModel.from_pretrained(fresh(family), tmp_path)
    torch.testing.assert_close(tiny.logits(found), wanted)


@pytest.mark.parametrize("family", ["falcon_h1", "phimoe"])
def test_what_is_left_out_changes_nothing_in_the_draws_of_the_rest(family):
    """Two adapters of one seed are alike, and like one of the layers by name."""
    found = []
    for targets in ("all-linear", "all-linear", None):
        model = fresh(family)
        if targets is None:
            names = sorted({name.rpartition(".lora_A")[0].removeprefix("base_model.model.") for name in found[0]})
            model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=2, lora_alpha=4, target_modules=names))
        else:
            model = attach(model, LoRA(r=2, alpha=4, dropout=0))
        found.append({name: p for name, p in model.named_parameters() if "lora_A" in name})
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        assert all(torch.equal(value, found[0][name]) for name, value in other.items())


def test_an_ordinary_models_adapter_is_peft_s_own():
    torch.manual_seed(5)
    theirs = get_peft_model(
        fresh("llama"), LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules="all-linear")
    )
    ours = attach(fresh("llama"), LoRA(r=4, alpha=8, dropout=0.0))
    assert ours.peft_config["default"].to_dict() == theirs.peft_config["default"].to_dict()
    for (name, found), (other, wanted) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == other and torch.equal(found, wanted) and found.requires_grad == wanted.requires_grad


@pytest.mark.parametrize(
    ("family", "targets", "message"),
    [
        ("llama", ["q_porj", "v_proj"], r"names \['q_porj'\].*Did you mean .*'q_proj'"),
        ("llama", ["query"], r"names \['query'\].*linear layers are down_proj, .*'all-linear'"),
        ("llama", ["q_proj", ""], "target_modules"),
        ("llama", [], r"target_modules is \[\]"),
        ("llama", ["all-linear"], r"names \['all-linear'\]"),
        ("llama", ["mlp"], "cannot adapt"),
        ("llama", ["q_proj", "input_layernorm"], "cannot adapt"),
        ("gpt2", ["c_attn", "q_proj"], r"names \['q_proj'\]"),
        ("mixtral", ["q_proj", "w7"], r"names \['w7'\]"),
        ("mamba", ["in_proj", "out_proj"], r"MambaMixer\.out_proj \(2 layers\)"),
        ("mamba", ["in_proj", "dt_proj"], r"MambaMixer\.dt_proj .*never calls"),
        ("mamba", ["in_proj", "conv1d"], "conv1d"),
        ("phimoe", ["q_proj", "router"], r"PhimoeSparseMoeBlock\.router .*tuple"),
        ("phimoe", ["router"], r"PhimoeSparseMoeBlock\.router .*tuple"),
    ],
)  # fmt: skip
def test_a_named_layer_that_cannot_be_adapted_is_refused(family, targets, message):
    with pytest.raises(ModelError, match=message) as error:
        attach(fresh(family), LoRA(r=2, alpha=4, target_modules=targets))
    assert error.value.what.startswith("policy.lora.target_modules") and "\n" not in str(error.value)


def test_names_of_experts_from_before_they_were_fused_are_peft_s():
    adapted = attach(fresh("mixtral"), LoRA(r=2, alpha=4, dropout=0, target_modules=["q_proj", "w1", "w2", "w3"]))
    assert any("experts" in name for name, p in adapted.named_parameters() if "lora_" in name)


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "gate_proj", "up_proj", "down_proj"]])
def test_layers_whose_names_are_also_those_of_experts_are_not_left_out_in_silence(targets):
    """peft converts the names to the experts' tensors, and dense layers and shared experts have none."""
    said, sizes = (
        [],
        {
            "num_experts": 4,
            "moe_intermediate_size": 16,
            "mlp_only_layers": [0],
            "head_dim": 8,
            "num_experts_per_tok": 2,
        },
    )
    adapted = attach(
        fresh("qwen3_moe", **sizes), LoRA(r=2, alpha=4, dropout=0, target_modules=targets), notify=said.append
    )
    has = {name.rpartition(".lora_A")[0] for name, _ in adapted.named_parameters() if "lora_A" in name}
    assert any("layers.1.mlp.experts" in name for name in has) and not any("layers.0.mlp" in name for name in has)
    (text,) = said
    for name in ("gate_proj", "up_proj", "down_proj"):
        assert f"Qwen3MoeMLP.{name} (1 layers)" in text
    said.clear()
    attach(fresh("qwen3_moe", **sizes), LoRA(r=2, alpha=4, dropout=0, target_modules=["q_proj"]), notify=said.append)
    assert not said


@pytest.fixture
def rows(tmp_path):
    texts = [{"text": "\n\nHuman: sure but\n\nAssistant: like ducks"}] * 8
    pairs = [
        {"chosen": f"\n\nHuman: sure {i}\n\nAssistant: a", "rejected": f"\n\nHuman: sure {i}\n\nAssistant: b"}
        for i in range(20)
    ]
    labels = [{"text": f"like {word}", "label": i % 2} for i, word in enumerate(["ducks", "goats"] * 10)]
    for name, lines in (("texts", texts), ("pairs", pairs), ("labels", labels)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {name: {"dataset": str(tmp_path / f"{name}.jsonl")} for name in ("texts", "pairs", "labels")}


def stage(kind, model, folder, rows, lora):
    data = {
        "output": str(folder / "out"),
        "model": str(model),
        "progress": False,
        "epochs": 1,
        "lora": {"r": 4, "alpha": 8} | lora,
    }
    if kind == "sft":
        return sft.run(parse(SFTConfig, data | {"data": rows["texts"]}))
    return reward_training.run(parse(RewardTrainingConfig, data | {kind: rows[kind], "template": "transcript"}))


@pytest.mark.parametrize("kind", ["sft", "pairs", "labels"])
def test_a_misspelt_layer_is_refused_in_every_stage(tiny_model, tmp_path, rows, kind):
    with pytest.raises(ModelError, match=r"^lora\.target_modules names \['v_porj'\].*Did you mean .*'v_proj'"):
        stage(kind, tiny_model, tmp_path, rows, {"target_modules": ["q_proj", "v_porj"]})
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_a_misspelt_layer_is_refused_by_a_run_and_its_critic(tiny_model, tmp_path):
    lora = {"r": 4, "alpha": 8, "target_modules": ["q_proj", "o_porj"]}
    config = tiny.run_config(
        tiny_model, tmp_path / "run", policy={"model": str(tiny_model), "dtype": "float32", "lora": lora}
    )
    with pytest.raises(ModelError, match=r"names \['o_porj'\]"):
        train(config)
    policy = load_base(config.policy, CPU)
    with pytest.raises(ModelError, match=r"names \['o_porj'\]"):
        separate_backbone(None, policy, config.policy, CPU)


def test_a_separate_critic_has_the_adapter_but_for_the_head(tiny_model):
    settings = tiny.settings(tiny_model, lora={"target_modules": ["q_proj", "lm_head", "embed_tokens"]})
    policy, _ = load_policy(settings, CPU)
    critic = separate_backbone(None, policy, settings, CPU)
    layers = {re.search(r"(\w+)\.lora_", name)[1] for name, p in critic.named_parameters() if p.requires_grad}
    assert layers == {"q_proj", "embed_tokens"}
    settings = tiny.settings(tiny_model, lora={"target_modules": ["lm_head"]})
    with pytest.raises(ModelError, match=r"\['lm_head'\], none of which is in the decoder"):
        separate_backbone(None, policy, settings, CPU)


def test_fine_tuning_reports_what_has_no_adapter(tmp_path, rows):
    fresh("falcon_h1").save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    report = stage("sft", tmp_path / "model", tmp_path, rows, {})
    (note,) = report["without_adapter"]
    assert note.startswith("lora.target_modules is 'all-linear', without FalconH1Mixer.out_proj (2 layers): ")
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())


def test_a_model_that_trl_cannot_fine_tune_is_refused(tiny_model, tmp_path, rows, monkeypatch):
    """As of Llama 4 and PhiMoE, for whose outputs some releases of TRL are not made."""
    from trl import SFTTrainer

    monkeypatch.setattr(SFTTrainer, "compute_loss", lambda self, *arguments, **options: self.no_such_output)
    with pytest.raises(ModelError, match=r"TRL cannot fine-tune a LlamaForCausalLM \(AttributeError: .*no_such_output"):
        stage("sft", tiny_model, tmp_path, rows, {})


@pytest.mark.parametrize("family", ["falcon_h1", "phimoe", "llama4_text", "mixtral"])
def test_a_run_notes_it_and_its_adapter_loads(tmp_path, family):
    fresh(family, logits_to_keep=0).save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    run = train(tiny.run_config(tmp_path / "model", tmp_path / "run", iterations=1))
    notes = (run.path / "notes.log").read_text() if family != "mixtral" else ""
    assert all(what in notes for what in FAMILIES[family][1] if family != "mixtral")  # without dropout it has them all
    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tmp_path / "model"), run.adapter)
    assert RunFolder(run.path).finished
