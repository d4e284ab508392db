"""Faulty data and odd models, for real: what is left out and counted, what is refused, and what trains all the same."""

from __future__ import annotations

import gzip
import json
import math

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
)

import tiny
from lenity.data.columns import Columns
from lenity.data.human_assistant import ASSISTANT, HUMAN
from lenity.data.loading import load_columns
from lenity.data.prompts import load_prompts, room_for_prompts, token_counters
from lenity.errors import ConfigError, DataError, ModelError
from lenity.evaluation.held_out import held_out_prompts
from lenity.evaluation.measurement import Measurement
from lenity.evaluation.trained import Trained
from lenity.methods import train
from lenity.models.policy import load_policy
from lenity.rewards.asking import ask
from lenity.rewards.reward_model import RewardModelSpec
from lenity.rollout.transformers import TransformersGenerator
from lenity.training.setup import load_world

CPU = torch.device("cpu")
GOOD = [{"prompt": "sure " * (1 + i)} for i in range(8)]


def write(file, rows, more=b""):
    data = "".join(json.dumps(row) + "\n" for row in rows).encode() + more
    file.write_bytes(gzip.compress(data) if file.suffix == ".gz" else data)
    return str(file)


def finite(run):
    """Every number of every row of metrics."""
    for row in run.metrics():
        for name, value in row.items():
            for number in value.values() if isinstance(value, dict) else [value]:
                assert isinstance(number, str) or math.isfinite(number), (name, number)
    return True


def test_a_data_set_of_rows_that_cannot_be_used_trains_on_the_others_and_counts_them(tiny_model, tmp_path):
    rows = [
        *GOOD, {"prompt": ""}, {"prompt": " \n"}, {"prompt": None}, {}, {"prompt": 7}, {"prompt": ["a"]}, {"prompt": {"b": 1}},
        {"prompt": "sure " * 200_000}, {"prompt": GOOD[0]["prompt"]}, {"prompt": "half \ud800 a pair"}, {"prompt": "whole \U0001f600"},
    ]  # fmt: skip
    prompts = {"type": "columns", "dataset": write(tmp_path / "odd.jsonl", rows), "max_tokens": 60}
    config = tiny.run_config(tiny_model, tmp_path / "run", prompts=prompts)
    report = load_world(config, CPU).report
    assert (report.read, report.kept) == (19, 9)
    assert report.dropped == {
        "without text": 7,
        "with half of a surrogate pair": 1,
        "repeated": 1,
        "longer than 60 tokens of the policy": 1,
    }
    assert finite(train(config))


@pytest.mark.parametrize("name", ["q.jsonl", "q.jsonl.gz", "q.csv", "folder"])
def test_a_file_that_is_not_utf_8_is_named_with_its_line(tmp_path, name):
    latin = "caf\xe9?".encode("latin-1")
    file = tmp_path / ("train.jsonl" if name == "folder" else name)
    if name == "q.csv":
        file.write_bytes(b"prompt\nsure\n" + latin + b"\n")
    else:
        write(file, GOOD[:2], b'{"prompt": "' + latin + b'"}\n')
    with pytest.raises(DataError, match=f"line 3 of '.*{file.name}' is not UTF-8: .* byte 0xe9") as error:
        load_columns(str(tmp_path if name == "folder" else file), ["prompt"])
    assert "UTF-8" in error.value.remedy


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (b'{"prompt": "cut', "line 9 of .* is not a JSON object: Unterminated string"),
        (b"[1, 2]\n", "line 9 of .* is not a JSON object: list instead of an object"),
        (b"\n\n" + b"[" * 100_000, "line 11 of .* is not a JSON object"),
    ],
    ids=["cut short", "a list", "deep"],
)
def test_a_line_that_is_not_an_object_is_named(tmp_path, more, message):
    with pytest.raises(DataError, match=message):
        load_columns(write(tmp_path / "q.jsonl", GOOD, more), ["prompt"])


@pytest.mark.parametrize(
    ("text", "message"),
    [("[1]", "int instead of an object"), ('[{"prompt": "sure"}, null]', "NoneType instead"), ("[{]", "line 1 of")],
)
def test_a_list_of_other_things_is_named(tmp_path, text, message):
    (tmp_path / "q.json").write_text(text)
    with pytest.raises(DataError, match=message):
        load_columns(str(tmp_path / "q.json"), ["prompt"])


def test_a_list_of_objects_over_several_lines_is_read(tmp_path):
    (tmp_path / "q.json").write_text('[\n{"prompt": "sure"},\n\n{"prompt": "but",\n "other": 1}\n]\n')
    assert load_columns(str(tmp_path / "q.json"), ["prompt"])[0] == [{"prompt": "sure"}, {"prompt": "but"}]


def test_a_file_cut_short_and_an_empty_one_are_refused(tmp_path):
    file = tmp_path / "q.jsonl.gz"
    write(file, [{"prompt": f"{i * 7919}"} for i in range(500)])
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(DataError, match="cannot be read to its end"):
        load_columns(str(file), ["prompt"])
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="is empty"):
        load_columns(str(tmp_path / "empty.jsonl"), ["prompt"])


def test_what_the_library_for_data_sets_says_is_passed_on(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"prompt": "sure"}\n{"prompt": cut\n')
    with pytest.raises(DataError, match=r"cannot load .*JSON parse error"):
        load_columns(str(tmp_path), ["prompt"])


def word_tokenizer(**special):
    words = {word: i for i, word in enumerate(["sure", "but", "find", "guide", "strange", *special.values()])}
    core = Tokenizer(WordLevel(words, unk_token=special.get("unk_token", "strange")))
    core.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, **special)


def saved_classifier(folder, kind, tokenizer, pad_id):
    torch.manual_seed(3)
    sizes = {"vocab_size": len(tokenizer), "num_labels": 1, "pad_token_id": pad_id}
    if kind == "llama":
        model = LlamaForSequenceClassification(
            LlamaConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, **sizes)
        )
    else:
        model = GPT2ForSequenceClassification(GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=32, **sizes))
    with torch.no_grad():
        model.score.weight.mul_(50)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model.eval(), str(folder)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize(
    "special", [{}, {"unk_token": "<unk>"}, {"eos_token": "<eos>"}], ids=["none", "unk alone", "eos alone"]
)
@pytest.mark.parametrize("pad_id", [None, 0], ids=["no id", "the id of a word"])
def test_a_reward_model_without_a_padding_token_scores_a_batch_as_one_by_one(tmp_path, kind, special, pad_id):
    """Texts that end in an unknown word too: were it the padding, their score would be read one token early."""
    tokenizer = word_tokenizer(**special)
    model, folder = saved_classifier(tmp_path / "model", kind, tokenizer, pad_id)
    responses = ["sure but find", "guide never-seen", "sure", "but but but sure guide sure", "never-seen"]
    model.config.pad_token_id = None  # the last token of a text alone is the last
    with torch.no_grad():
        wanted = [float(model(**tokenizer(text, return_tensors="pt")).logits) for text in responses]
    reward = RewardModelSpec(model=folder, template="response").load(CPU)
    assert ask(reward, [""] * 5, responses) == pytest.approx(wanted, abs=1e-4)
    assert len({round(score, 4) for score in wanted}) == 5


def test_the_score_of_an_empty_response_does_not_depend_on_the_others(tmp_path):
    _, folder = saved_classifier(
        tmp_path / "model", "llama", word_tokenizer(eos_token="<eos>", unk_token="<unk>"), None
    )
    reward = RewardModelSpec(model=folder, template="response").load(CPU)
    alone = ask(reward, [""], [""])
    assert math.isfinite(alone[0])
    assert ask(reward, [""] * 3, ["sure but sure", "", "guide"])[1] == pytest.approx(alone[0], abs=1e-5)


def policy_copy(tiny_model, folder, change):
    """The tiny policy, changed: ``change(model, tokenizer)``."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_model), AutoTokenizer.from_pretrained(tiny_model)
    change(model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_policy_whose_tokenizer_has_no_end_is_refused(tiny_model, tmp_path):
    def no_end(model, tokenizer):
        tokenizer.eos_token = None

    model = policy_copy(tiny_model, tmp_path / "model", no_end)
    with pytest.raises(ModelError, match="has no end-of-sequence token") as error:
        train(tiny.run_config(model, tmp_path / "run"))
    assert "eos_token" in error.value.remedy


def test_a_generation_config_without_an_end_has_that_of_the_tokenizer(tiny_model, tmp_path):
    def no_end(model, tokenizer):
        model.generation_config.eos_token_id = model.config.eos_token_id = None

    model = policy_copy(tiny_model, tmp_path / "model", no_end)
    run = train(tiny.run_config(model, tmp_path / "run", rollout={"batch_size": 32, "max_new_tokens": 40}))
    assert finite(run) and min(row["truncated_fraction"] for row in run.metrics()) < 1


def positions(count):
    """A model of that window with learned positions would fail beyond it; this one would only guess."""
    return lambda model, tokenizer: model.config.update({"max_position_embeddings": count})


def test_prompts_beyond_the_models_window_are_left_out_and_counted(tiny_model, tmp_path):
    model = policy_copy(tiny_model, tmp_path / "model", positions(16))
    _, tokenizer = load_policy(tiny.settings(model), CPU)
    file = write(tmp_path / "q.jsonl", [{"prompt": "sure " * n} for n in range(1, 13)])
    room = room_for_prompts(tokenizer, 6)
    prompts, report = load_prompts(Columns(dataset=file), token_counters(tokenizer, {}), room)
    assert room == 10 and len(prompts) == 8 and report.dropped == {"longer than 10 tokens of the policy": 4}
    held_out = {"type": "columns", "dataset": file}
    config = tiny.run_config(model, tmp_path / "run", held_out_prompts=held_out)
    assert held_out_prompts(Measurement.of(config), tokenizer, {}, Trained(()))[0] == prompts
    config = tiny.run_config(model, tmp_path / "run", held_out_prompts=held_out, evaluation={"max_new_tokens": 9})
    assert len(held_out_prompts(Measurement.of(config), tokenizer, {}, Trained(()))[0]) == 5
    with pytest.raises(
        ConfigError, match=r"16 tokens, leaves no room for a prompt in the policy's window of 16"
    ) as error:
        room_for_prompts(tokenizer, 16)
    assert "rollout.max_new_tokens" in error.value.remedy


def test_a_prompt_beyond_the_window_is_never_answered(tiny_model, tmp_path):
    model = policy_copy(tiny_model, tmp_path / "model", positions(16))
    policy, tokenizer = load_policy(tiny.settings(model), CPU)
    fits, too_long = (f"{HUMAN} {'sure ' * n}{ASSISTANT}" for n in (8, 9))
    generator = TransformersGenerator(policy.eval(), tokenizer, max_new_tokens=6)
    assert len(generator.generate([fits])) == 1
    with pytest.raises(DataError, match=r"a prompt of 11 tokens and a response of up to 6 .* window of 16"):
        generator.generate([fits, too_long])


def only_ends(model, tokenizer):
    """Every state is the same, and its logit of the end is far above all others."""
    with torch.no_grad():
        model.model.embed_tokens.weight.fill_(1.0)
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.lm_head.weight[tokenizer.eos_token_id].fill_(50.0)


def constants(folder):
    """Given, where the policy's own answers would be all alike."""
    file = folder / "constants.json"
    file.write_text(json.dumps({name: {"mean": 1.0, "std": 2.0, "n": 9} for name in ("helpful", "harmless")}))
    return {"file": str(file)}


@pytest.mark.parametrize("min_new_tokens", [0, 1])
def test_a_policy_that_says_nothing_trains(tiny_model, tmp_path, min_new_tokens):
    model = policy_copy(tiny_model, tmp_path / "model", only_ends)
    rollout = {"batch_size": 8, "max_new_tokens": 6, "min_new_tokens": min_new_tokens}
    run = train(tiny.run_config(model, tmp_path / "run", rollout=rollout, standardisation=constants(tmp_path)))
    assert finite(run) and len(run.metrics()) == 3
    first = run.metrics()[0]
    assert first["response_length"] == 1 + min_new_tokens and first["truncated_fraction"] == 0
    if not min_new_tokens:
        samples = [json.loads(line) for line in (run.path / "samples.jsonl").read_text().splitlines()]
        assert samples[0]["response"] == "" and first["reward_std"] == {"helpful": 0.0, "harmless": 0.0}


def test_an_objective_that_becomes_constant_trains(tiny_model, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "calls = 0\n\ndef score(prompts, responses):\n    global calls\n    calls += 1\n"
        "    return [float(len(text)) if calls == 1 else 0.1 for text in responses]\n"
    )
    rewards = {
        "helpful": {"type": "function", "function": f"{file}:score"},
        "harmless": {"type": "function", "function": f"{tiny.__file__}:harmless"},
    }
    run = train(tiny.run_config(tiny_model, tmp_path / "run", rewards=rewards))
    assert finite(run) and [row["reward_std"]["helpful"] for row in run.metrics()] == [0.0] * 3
    assert all(row["reward_std"]["harmless"] > 0 for row in run.metrics())


@pytest.mark.parametrize("method", ["plc", "linear", "mgda", "gapo"])
def test_an_objective_of_weight_0_trains(tiny_model, tmp_path, method):
    run = train(tiny.run_config(tiny_model, tmp_path / "run", weights={"helpful": 1.0, "harmless": 0.0}, method=method))
    assert finite(run) and run.finished


@pytest.mark.parametrize("method", ["plc", "linear", "mgda"])
def test_one_response_of_one_token_trains(tiny_model, tmp_path, method):
    changes = {
        "rollout": {"batch_size": 1, "max_new_tokens": 1},
        "ppo": {"epochs": 2, "mini_batch_size": 1, "accumulation": 1},
        "standardisation": constants(tmp_path),
    }
    run = train(tiny.run_config(tiny_model, tmp_path / "run", method=method, **changes))
    assert finite(run) and {row["response_length"] for row in run.metrics()} == {1.0}
