"""Windows of model families, and that no row within one is left without a score."""

from __future__ import annotations

import json
import math

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertConfig,
    BloomConfig,
    DebertaV2Config,
    GPT2Config,
    GPTJConfig,
    LlamaConfig,
    LongformerConfig,
    MPNetConfig,
    OPTConfig,
    RobertaConfig,
    XLMRobertaConfig,
    XLNetConfig,
)

import tiny
from lenity.config.load import parse
from lenity.config.stages import RewardTrainingConfig, SFTConfig
from lenity.data.tokens import prompt_ids
from lenity.finetuning import reward_models as reward_training
from lenity.finetuning import supervised as sft
from lenity.models.policy import load_policy
from lenity.models.window import last_position, readable, window
from lenity.rewards.reward_model import SETTINGS_FILE, RewardModelSpec
from lenity.rollout.decoding import decodes
from lenity.rollout.transformers import TransformersGenerator
from tokenizer_shapes import SHAPES

CPU = torch.device("cpu")
PAD = 3  # of the tokenizer below
SIZES = {"vocab_size": 300, "pad_token_id": PAD, "num_labels": 1}
BERT = SIZES | {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
GPT = SIZES | {"n_embd": 16, "n_layer": 1, "n_head": 2}
RELATIVE = {"position_biased_input": False, "relative_attention": True, "max_relative_positions": -1}
FAMILIES = {  # configuration, window, whether longer texts fail
    "roberta": (RobertaConfig(max_position_embeddings=34, **BERT), 30, True),
    "xlm-roberta": (XLMRobertaConfig(max_position_embeddings=34, **BERT), 30, True),
    "longformer": (LongformerConfig(max_position_embeddings=34, attention_window=8, **BERT), 30, True),
    "mpnet": (MPNetConfig(max_position_embeddings=34, **BERT), 32, True),  # its offset is 2 whatever pads
    "bert": (BertConfig(max_position_embeddings=31, **BERT), 31, True),
    "gpt2": (GPT2Config(n_positions=31, **GPT), 31, True),
    "gpt-j": (GPTJConfig(n_positions=31, rotary_dim=8, **GPT), 31, True),
    "opt": (
        OPTConfig(max_position_embeddings=31, ffn_dim=16, word_embed_proj_dim=16, **BERT),
        31,
        True,
    ),  # two rows more
    "deberta-v2": (DebertaV2Config(max_position_embeddings=31, **RELATIVE, **BERT), 31, False),
    "llama": (LlamaConfig(max_position_embeddings=31, **BERT), 31, False),
    "xlnet": (XLNetConfig(d_model=16, n_layer=1, n_head=2, d_inner=16, **SIZES), None, False),  # says -1
    "bloom": (BloomConfig(hidden_size=16, n_layer=1, n_head=2, **SIZES), None, False),  # says nothing
}
TEXTS = ["ok " * n for n in (1, 5, *range(25, 36), 60)]


@pytest.fixture(scope="module")
def tokenizer():
    found = SHAPES["wordpiece"]()
    assert found.pad_token_id == PAD
    return found


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tokenizer, tmp_path_factory):
    """Model, folder, window, and whether longer texts fail."""
    config, *wanted = FAMILIES[request.param]
    torch.manual_seed(0)
    model, folder = AutoModelForSequenceClassification.from_config(config).eval(), tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, str(folder), *wanted


@torch.no_grad()
def test_the_window_is_what_a_model_can_read(family):
    model, _, longest, fails = family
    assert window(model) == longest and last_position(model) == (longest if fails else None)
    assert readable(100, model) == (longest if fails else 100) and readable(8, model) == 8
    if fails:
        model(input_ids=torch.full((1, longest), 9))
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, longest + 1), 9))


@pytest.mark.parametrize("asked", [None, 29, 100])
@torch.no_grad()
def test_every_text_is_scored_as_alone(family, tokenizer, asked):
    """Those that just fit too, also where the next multiple of 8 is beyond the window; longer ones by their end."""
    model, folder, longest, fails = family
    reward = RewardModelSpec(model=folder, template="response", max_length=asked, batch_size=4).load(CPU)
    kept = min(n for n in (asked or longest or 1024, longest if fails else None) if n is not None)
    assert reward.max_length == kept
    tokenizer.truncation_side = "left"
    wanted = []
    for text in TEXTS:
        ids = tokenizer(text, truncation=True, max_length=kept, return_tensors="pt")["input_ids"]
        wanted.append(float(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits))
    found = reward.score([""] * len(TEXTS), TEXTS)
    assert all(map(math.isfinite, found)) and found == pytest.approx(wanted, abs=1e-4)


def test_a_tokenizer_without_a_limit_has_that_of_the_model(tokenizer, tmp_path):
    AutoModelForSequenceClassification.from_config(FAMILIES["roberta"][0]).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for limit, kept in ((int(1e30), 30), (-1, 30), (20, 20)):
        tokenizer.model_max_length = limit
        tokenizer.save_pretrained(tmp_path)
        assert RewardModelSpec(model=str(tmp_path)).load(CPU).max_length == kept


@torch.no_grad()
def test_a_policy_that_counts_from_behind_its_padding_reads_as_it_was_made_to(tokenizer, tmp_path):
    config = XLMRobertaConfig(max_position_embeddings=34, is_decoder=True, **BERT)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    model.roberta.embeddings.position_embeddings.weight.normal_(std=2.0)  # so that another position says another token
    model.roberta.embeddings.word_embeddings.weight.normal_()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    policy, own = load_policy(tiny.settings(tmp_path, lora={"target_modules": "all-linear"}), CPU)
    assert own.model_max_length == 30 and decodes(policy)
    settings = {"max_new_tokens": 6, "min_new_tokens": 6, "temperature": 0.0, "stop": ()}
    prompts = ["Hello there ok then", "ok"]
    batch = TransformersGenerator(policy.eval(), own, **settings).generate(prompts)
    for row, ids in enumerate(prompt_ids(own, prompts)):
        for token in batch.response_ids[row].tolist():
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
            logits[own.eos_token_id] = -torch.inf
            assert token == int(logits.argmax()) != PAD
            ids.append(token)
    assert len(set(batch.response_ids.flatten().tolist())) > 2


LONG = "\n\nHuman: ok\n\nAssistant: Bye" + " for now" * 40


@pytest.mark.parametrize("kind", ["reward", "sft"])
def test_training_reads_no_more_than_a_model_can(tokenizer, tmp_path, kind):
    """Where max_length, 512, is beyond a table of 31 positions."""
    auto = AutoModelForSequenceClassification if kind == "reward" else AutoModelForCausalLM
    auto.from_config(FAMILIES["gpt2"][0]).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    for name, said in (("data", "then"), ("held_out", "now")):
        rows = [{"text": f"{LONG} ok{f' {said}' * i} Bye", "label": i % 2} for i in range(1, 17)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data, held_out = ({"dataset": str(tmp_path / f"{name}.jsonl")} for name in ("data", "held_out"))
    settings = {"output": str(tmp_path / "out"), "progress": False, "model": str(tmp_path / "base"), "max_steps": 1}
    if kind == "sft":
        assert sft.run(parse(SFTConfig, settings | {"data": data}))["rows"] == 16
        return
    reward_training.run(parse(RewardTrainingConfig, settings | {"labels": data, "eval_labels": held_out}))
    assert json.loads((tmp_path / "out" / SETTINGS_FILE).read_text())["max_length"] == 31
