"""Merged and saved models against the adapted ones, on tied and untied embeddings."""

from __future__ import annotations

import json

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, LlamaForCausalLM

import tiny
from lenity.config.load import parse
from lenity.config.sections import LoRA
from lenity.config.stages import SFTConfig
from lenity.errors import EngineError, ModelError
from lenity.finetuning import supervised as sft
from lenity.hub.contents import contents, names_for
from lenity.models.actor_critic import ActorCritic
from lenity.models.critic import Heads
from lenity.models.merge import merge, save
from lenity.models.policy import load_base, load_policy, merged
from lenity.models.soup import save_soup
from lenity.runs.aligned import load_aligned
from lenity.runs.folder import RunFolder

CPU = torch.device("cpu")
EMBEDDING, HEAD = {"target_modules": ["q_proj", "embed_tokens"]}, {"target_modules": ["q_proj", "lm_head"]}
BOTH, LINEAR = {"target_modules": ["embed_tokens", "lm_head"]}, {"target_modules": "all-linear"}
KINDS = {
    "plain": {"target_modules": ["q_proj"]}, "all-linear": LINEAR, "embedding": EMBEDDING, "head": HEAD, "both": BOTH,
    "pattern": {"target_modules": r".*(embed_tokens|q_proj)"}, "one adapter": EMBEDDING | {"ensure_weight_tying": True},
    "dora": HEAD | {"use_dora": True}, "dora on embedding": EMBEDDING | {"use_dora": True}, "rslora": BOTH | {"use_rslora": True},
    "biases": {"target_modules": ["q_proj"], "bias": "all"}, "tokens": {"target_modules": ["q_proj"], "trainable_token_indices": [1, 5]},
    "whole embedding": {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
    "whole head": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    "whole and tied": {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
}  # fmt: skip


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def base(request, tmp_path):
    return (tiny.save_tied if request.param else tiny.save_model)(tmp_path / "base")


@pytest.mark.parametrize("kind", KINDS)
def test_a_merged_policy_is_the_adapted_one_in_memory_and_saved(base, tmp_path, kind):
    wanted = tiny.save_adapter(base, tmp_path / "adapter", **KINDS[kind])
    assert (wanted - tiny.logits(LlamaForCausalLM.from_pretrained(base))).abs().max() > 1e-3
    policy = tiny.settings(tmp_path / "adapter")
    found = tiny.logits(load_base(policy, CPU))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-3)
    merged(policy, tmp_path / "merged")
    found = tiny.logits(AutoModelForCausalLM.from_pretrained(tmp_path / "merged"))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", ["plain", "whole and tied"])
def test_embeddings_that_an_adapter_leaves_equal_stay_tied(tmp_path, kind):
    tiny.save_adapter(tiny.save_tied(tmp_path / "base"), tmp_path / "adapter", **KINDS[kind])
    merged(tiny.settings(tmp_path / "adapter"), tmp_path / "merged")
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["tie_word_embeddings"] is True
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_in_bfloat16_rounding_is_allowed(base, tmp_path):
    wanted = tiny.save_adapter(base, tmp_path / "adapter", **BOTH)
    model = load_base(tiny.settings(tmp_path / "adapter").model_copy(update={"dtype": "bfloat16"}), CPU)
    assert model.dtype is torch.bfloat16
    assert (tiny.logits(model) - wanted).norm() < 0.05 * wanted.norm()


def test_a_merge_that_changes_the_model_is_refused(tmp_path, monkeypatch):
    base = tiny.save_model(tmp_path / "base")
    tiny.save_adapter(base, tmp_path / "adapter", **HEAD)
    model = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(base), tmp_path / "adapter")
    model.base_model.merge_and_unload = model.base_model.unload  # as an adapter that peft does not merge would be
    with pytest.raises(ModelError, match=r"changes its logits \(relative difference"):
        merge(model)


def test_a_model_that_would_come_back_with_other_weights_is_refused(tmp_path):
    model = LlamaForCausalLM.from_pretrained(tiny.save_tied(tmp_path / "base"))
    save(model, tmp_path / "fine")
    model.lm_head.weight = model.model.embed_tokens.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.config.tie_word_embeddings = False  # one tensor is saved, and the head's is missing
    with pytest.raises(ModelError, match=r"saved in '.*' has other weights .* \(lm_head\.weight\)"):
        save(model, tmp_path / "other")


@pytest.mark.parametrize("kind", ["embedding", "head", "both", "all-linear"])
@torch.no_grad()
def test_log_probs_and_reference_are_the_models_own(base, kind):
    lora = {"target_modules": KINDS[kind]["target_modules"]}
    policy, tokenizer = load_policy(tiny.settings(base, lora=lora), CPU)
    module = ActorCritic(policy, Heads(16, 8, 2)).eval()
    for name, parameter in policy.named_parameters():
        if "lora_" in name:
            parameter.normal_(std=0.3)
    batch = tiny.rollouts(tokenizer)
    plain = LlamaForCausalLM.from_pretrained(base)
    found, reference = module(**batch.inputs).logprobs, module(**batch.inputs, reference=True).logprobs
    for row in range(len(batch)):
        prompt, answer = (
            batch.prompt_ids[row][batch.prompt_mask[row]],
            batch.response_ids[row][batch.response_mask[row]],
        )
        ids = torch.cat([prompt, answer])[None]
        for ours, model in ((found, policy), (reference, plain)):
            wanted = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            wanted = wanted.gather(-1, answer[:, None])[:, 0]
            torch.testing.assert_close(ours[row, : len(answer)], wanted, rtol=0, atol=2e-5)
    assert (found - reference).abs().max() > 0.01


@pytest.mark.parametrize("kind", ["embedding", "both", "plain"])
@pytest.mark.parametrize("mode", ["exact", "factors"])
def test_a_soup_has_the_average_of_the_updates(base, tmp_path, kind, mode):
    """Loaded by plain peft; with one adapter twice both modes are that adapter."""
    wanted = tiny.save_adapter(base, tmp_path / "a", **KINDS[kind])
    save_soup({"x": tmp_path / "a", "y": tmp_path / "a"}, {"x": 0.5, "y": 0.5}, tmp_path / "soup", mode)
    found = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(base), tmp_path / "soup")
    torch.testing.assert_close(tiny.logits(found), wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        tiny.logits(load_base(tiny.settings(tmp_path / "soup"), CPU)), wanted, rtol=1e-4, atol=1e-4
    )


def test_an_exact_soup_of_embeddings_is_linear_in_their_updates(base, tmp_path):
    updates = {}
    for name, rank in (("x", 2), ("y", 4)):
        tiny.save_adapter(
            base,
            tmp_path / name,
            r=rank,
            target_modules=["embed_tokens"] if name == "x" else ["embed_tokens", "lm_head"],
        )
        updates[name] = load_base(tiny.settings(tmp_path / name), CPU)
    save_soup({name: tmp_path / name for name in updates}, {"x": 0.25, "y": 0.75}, tmp_path / "soup")
    found = load_base(tiny.settings(tmp_path / "soup"), CPU)
    for layer in ("model.embed_tokens", "lm_head"):
        weights = [model.get_submodule(layer).weight for model in (found, updates["x"], updates["y"])]
        torch.testing.assert_close(weights[0], 0.25 * weights[1] + 0.75 * weights[2], rtol=0, atol=1e-5)


def test_a_soup_of_adapters_on_other_embeddings_is_refused(tmp_path):
    for name in ("x", "y"):
        base = tiny.save_model(tmp_path / f"base {name}")
        if name == "y":
            model = LlamaForCausalLM.from_pretrained(base)
            model.model.embed_tokens.weight.data.mul_(2)
            model.save_pretrained(base)
        tiny.save_adapter(base, tmp_path / name, **EMBEDDING)
        settings = json.loads((tmp_path / name / "adapter_config.json").read_text())
        (tmp_path / name / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": "same"}))
    with pytest.raises(ModelError, match=r"the base model of the adapter 'y' has other weights of .*embed_tokens"):
        save_soup({name: tmp_path / name for name in "xy"}, {"x": 0.5, "y": 0.5}, tmp_path / "soup")


def trained_run(base, tmp_path, **lora):
    """A run whose finished adapter is random."""
    lora = {"r": 4, "alpha": 8, "dropout": 0.0} | lora
    run = RunFolder.open(
        tiny.run_config(base, tmp_path / "run", policy={"model": str(base), "dtype": "float32", "lora": lora}),
        resume=False,
    )
    model, _ = load_policy(run.config.policy, CPU)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.3)
    run.save_adapter(model)
    return run, tiny.logits(model)


@pytest.mark.parametrize("kind", ["embedding", "head", "both"])
def test_a_runs_adapter_loads_and_is_pushed_merged_as_it_was_trained(base, tmp_path, kind, monkeypatch):
    run, wanted = trained_run(base, tmp_path, **KINDS[kind])
    assert all("lora_" in name for name in _names(run.adapter)), "the base model's embeddings are not saved once more"
    torch.testing.assert_close(tiny.logits(load_aligned(run, CPU)[0]), wanted, rtol=0, atol=1e-5)
    monkeypatch.setattr(RunFolder, "finished", True)
    with contents(run, names_for(run, "me/it", None, merge=True, license=None)) as files:
        for name, content in files.items():
            target = tmp_path / "pushed" / name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    torch.testing.assert_close(
        tiny.logits(AutoModelForCausalLM.from_pretrained(tmp_path / "pushed")), wanted, rtol=0, atol=1e-5
    )


def _names(folder):
    from safetensors import safe_open

    with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
        return list(file.keys())


TEXT, HELD_OUT = "\n\nHuman: sure but\n\nAssistant: like ducks", "\n\nHuman: sure\n\nAssistant: like ducks"


def fine_tune(base, tmp_path, targets, **changes):
    for name, text in (("rows", TEXT), ("held_out", HELD_OUT)):
        (tmp_path / f"{name}.jsonl").write_text((json.dumps({"text": text}) + "\n") * 16)
    data = {
        "output": str(tmp_path / "out"), "model": str(base), "data": {"dataset": str(tmp_path / "rows.jsonl")},
        "eval_data": {"dataset": str(tmp_path / "held_out.jsonl")}, "progress": False, "epochs": 8, "learning_rate": 0.05,
        "lora": {"r": 8, "alpha": 32, "dropout": 0.0, "target_modules": targets},
    }  # fmt: skip
    return sft.run(parse(SFTConfig, data | changes))


@pytest.mark.parametrize("targets", [["embed_tokens"], ["embed_tokens", "q_proj"], "all-linear"])
def test_fine_tuning_saves_the_model_of_the_reported_loss(base, tmp_path, targets):
    report = fine_tune(base, tmp_path, targets)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path / "out"), sft_tokenizer(tmp_path / "out")
    (row,) = sft.encode([HELD_OUT], tokenizer, 64)
    ids, labels = (torch.tensor([row[name]]) for name in ("input_ids", "labels"))
    with torch.no_grad():
        loss = model(input_ids=ids, labels=labels).loss.item()
    assert loss == pytest.approx(report["eval_loss"], rel=1e-4)
    assert report["eval_loss"] < report["train_loss"]


def sft_tokenizer(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("targets", [["lm_head"], ["lm_head", "q_proj"]])
def test_fine_tuning_an_adapter_of_the_head_is_refused(base, tmp_path, targets):
    with pytest.raises(ModelError, match=r"lora\.target_modules is .*without its adapter"):
        fine_tune(base, tmp_path, targets)


@pytest.mark.parametrize("targets", [["embed_tokens"], ["lm_head", "q_proj"]])
@pytest.mark.parametrize("mode", ["colocate", "server"])
def test_vllm_is_refused_where_its_one_tensor_would_be_two(tmp_path, mode, targets):
    import vllm_double
    from lenity.distributed.processes import ALONE
    from lenity.training.setup import load_world

    base = tiny.save_tied(tmp_path / "base")
    policy = {
        "model": str(base),
        "dtype": "float32",
        "lora": {"r": 4, "alpha": 8, "dropout": 0.0, "target_modules": targets},
    }
    config = tiny.run_config(
        base,
        tmp_path / "run",
        policy=policy,
        rollout={"engine": "vllm", "vllm": {"mode": mode}, "batch_size": 8, "max_new_tokens": 6},
    )
    world = load_world(config, CPU)
    with vllm_double.installed():
        from lenity.training import engines

        with pytest.raises(EngineError, match=r"policy\.lora\.target_modules is .*one tensor for both"):
            engines.load(config.rollout, world, ALONE, base=config.policy, folder=tmp_path / "run")


@pytest.mark.parametrize("targets", [["embed_tokens"], ["lm_head", "q_proj"], "all-linear"])
def test_whole_weights_for_vllm_are_those_of_the_merged_model(tmp_path, targets):
    import vllm_double

    base = tiny.save_model(tmp_path / "base")
    run, wanted = trained_run(base, tmp_path, target_modules=targets)
    policy, _ = load_aligned(run, CPU)
    copy = AutoModelForCausalLM.from_pretrained(base)
    with vllm_double.installed():
        from lenity.rollout.vllm import Merged

        copy.load_state_dict(dict(Merged(policy).named_parameters()))
    torch.testing.assert_close(tiny.logits(copy), wanted, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(tiny.logits(policy), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "targets", ["all-linear", ["q_proj"], ["q_proj", "embed_tokens"], ["model.embed_tokens"], ["lm_head"]]
)
def test_the_card_has_no_recipe_that_would_merge_another_model(targets):
    from lenity.card.usage import usage

    lora = LoRA(r=4, alpha=8, target_modules=targets)
    text = "\n".join(usage("me/it", "base", [], lora, merged=False))
    plain = targets in ("all-linear", ["q_proj"])
    assert ("model.merge_and_unload().save_pretrained" in text) == plain and ("--merge` unties them" in text) != plain
