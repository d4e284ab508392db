"""Every error that a user can cause is a LenityError and names the Python argument."""

from __future__ import annotations

import datasets
import pandas as pd
import pytest
import torch
from transformers import TrainerCallback

import lenity
import tiny
from lenity.library.messages import in_python
from lenity.toy.training import make_tokenizer
from library.small import TRAIN, polite, trainer

MINIMAL = {"model": "some/model", "reward_funcs": {"a": "some/reward"}, "train_dataset": ["Hi"]}
ROW = {"prompt": "Hi"}


async def later(prompts, completions):
    return [0.0]


async def polite_later(row):
    return None


def turns(*roles, said="Hi"):
    return [{"role": role, "content": said} for role in roles]


class Quiet(TrainerCallback):
    pass


ARGUMENTS = [
    ({"model": None}, "model is missing."),
    ({"reward_funcs": None}, "reward_funcs is missing."),
    ({"train_dataset": None}, "train_dataset is missing."),
    ({"model": 3}, "model is int, not a causal language model of transformers."),
    ({"model": torch.nn.Linear(2, 2)}, "model is Linear, not a causal"),
    ({"processing_class": make_tokenizer()}, "processing_class is given, but model is the name 'some/model'"),
    ({"reward_funcs": [polite]}, "reward_funcs is list."),
    ({"reward_funcs": {}}, "reward_funcs is empty."),
    ({"reward_funcs": {"a": 3}}, "reward_funcs['a'] is int."),
    ({"reward_funcs": {"a": None}}, "reward_funcs['a'] is NoneType."),
    ({"reward_funcs": {"a": later}}, "reward_funcs['a'] is an async function."),
    ({"reward_funcs": {"a": lambda text: [0.0]}}, "reward_funcs['a']: reward function <lambda> cannot be called"),
    ({"reward_funcs": {"a": dict}}, "reward_funcs['a'] is the class dict."),
    ({"reward_funcs": {"a": torch.nn.Linear(2, 2)}}, "reward_funcs['a'] is the loaded model Linear."),
    ({"reward_funcs": {"a": {"type": "toi"}}}, "reward_funcs['a']: unknown reward 'toi'"),
    ({"reward_funcs": {"a": {"model": "x"}}}, "reward_funcs['a']: 'type' is missing"),
    ({"reward_funcs": {"a": {"type": "model"}}}, "reward_funcs['a'].model: missing. Set reward_funcs['a'].model."),
    ({"reward_funcs": {"a": {"type": "model", "model": "x", "sign": 5}}}, "reward_funcs['a'].sign: found 5"),
    ({"reward_funcs": {"a/b": "x"}}, "reward_funcs: 'a/b' cannot be a part of a path"),
    ({"args": {"model_init_kwargs": {}}}, "args['model_init_kwargs']: unknown field"),
    ({"reward_funcs": {3: "x"}}, "reward_funcs has the key 3."),
    ({"weights": {"b": 1.0}}, "weights has 'b', but reward_funcs has ['a']."),
    ({"weights": {"a": 0.5}}, "weights {'a': 0.5} sum to 0.5"),
    ({"weights": {"a": "much"}}, "weights['a']: found 'much'"),
    ({"weights": {"a": float("nan")}}, "weights"),
    ({"weights": [0.5, 0.5]}, "weights is [0.5, 0.5], but reward_funcs has ['a']."),
    ({"weights": 1.0}, "weights is 1.0"),
    ({"reward_funcs": {"a": "x", "b": "y"}, "weights": {"a": 1.0}}, "weights are for ['a'] but reward_funcs for ['a', 'b']"),
    ({"train_dataset": []}, "train_dataset is empty."),
    ({"train_dataset": 3}, "train_dataset is int."),
    ({"train_dataset": [3]}, "train_dataset[0] is '3', which is not a prompt."),
    ({"train_dataset": ["Hi", {"text": "Hi"}]}, "train_dataset[1] has no 'prompt'; it has ['text']."),
    ({"train_dataset": [[{"role": "user"}]]}, "train_dataset[0]"),
    ({"train_dataset": [{"prompt": [{"role": "assistant", "content": "Hi"}]}]}, "the last message of train_dataset[0] has role 'assistant'."),
    ({"train_dataset": [ROW | {"image": object()}]}, "train_dataset[0] cannot be saved as JSON: a column holds object."),
    ({"train_dataset": pd.DataFrame([ROW])}, "train_dataset is a DataFrame of pandas."),
    ({"train_dataset": datasets.Dataset.from_dict({"text": ["Hi"]})}, "train_dataset has no column 'prompt'; its columns are ['text']."),
    ({"train_dataset": datasets.DatasetDict(train=datasets.Dataset.from_list([ROW]))}, "train_dataset has the splits ['train']."),
    ({"train_dataset": datasets.Dataset.from_list([ROW]).to_iterable_dataset()}, "train_dataset is IterableDataset."),
    ({"train_dataset": {"type": "toy", "count": 0}}, "args['prompts.count']: found 0"),
    ({"train_dataset": {"type": "nope"}}, "train_dataset: unknown reader 'nope'"),
    ({"train_dataset": [turns("user", "assistant", "user", said="Hi\n\nAssistant: Yes\n\nHuman: Why")]}, "train_dataset[0] has the roles"),
    ({"train_dataset": [turns("user", said="Hi\n\nAssistant:")]}, "train_dataset[0] has the roles ['user'], and its Human/Assistant form"),
    ({"eval_dataset": [turns("assistant", "user")]}, "eval_dataset[0] has the roles ['assistant', 'user']"),
    ({"eval_dataset": []}, "eval_dataset is empty."),
    ({"eval_dataset": [3]}, "eval_dataset[0] is '3'"),
    ({"eval_dataset": {"type": "nope"}}, "eval_dataset: unknown reader 'nope'"),
    ({"method": "plcc"}, "method: unknown method 'plcc'. Did you mean 'plc'?"),
    ({"method": lenity.PLC}, "method is the class PLC."),
    ({"method": 3}, "method is int."),
    ({"method": {"type": "plc", "temperature": -1}}, "method.temperature: found -1"),
    ({"args": {"ppo.epochs": 0}}, "args['ppo.epochs']: found 0; input should be greater than or equal to 1. Set it with args['ppo.epochs']."),
    ({"args": {"ppo.epoch": 1}}, "args['ppo.epoch']: unknown field (value 1). Did you mean 'epochs'?"),
    ({"args": {"ppo": 3}}, "args['ppo']: found 3"),
    ({"args": {"iteration": 3}}, "args['iteration']: unknown field (value 3). Did you mean 'iterations'?"),
    ({"args": {"iterations": 0}}, "args['iterations']: found 0"),
    ({"args": {"ppo.epochs": 0, "seed": -1}}, "  - args['ppo.epochs']: found 0"),
    ({"args": {"policy.model": "x"}}, "model and args['policy.model'] are both given."),
    ({"args": {"prompts.dataset": "x"}}, "train_dataset and args['prompts'] are both given."),
    ({"args": {"rewards": {}}}, "reward_funcs and args['rewards'] are both given."),
    ({"args": {"output": "x"}, "output": "y"}, "output and args['output'] are both given."),
    ({"args": {"estimator": {"type": "group", "responses": 1}}}, "Set it with args['estimator.responses']."),
    ({"args": [1]}, "args is list."),
    ({"args": {1: 2}}, "args has the key 1."),
    ({"args": {"reward_noise.fraction": 0.5}}, "args['reward_noise'] needs at least two objectives"),
    ({"callbacks": polite}, "callbacks is <function polite"),
    ({"callbacks": [3]}, "callbacks[0] is 3, which is not a function."),
    ({"callbacks": [print, Quiet()]}, "callbacks[1] is Quiet, a TrainerCallback of transformers"),
    ({"callbacks": [Quiet]}, "callbacks[0] is Quiet, a TrainerCallback of transformers"),
    ({"callbacks": [print, lambda: None]}, "callbacks[1] is <lambda>(), which cannot be called with one row"),
    ({"callbacks": [lambda state, control: None]}, "callbacks[0] is <lambda>(state, control), which cannot be called with one row"),
    ({"callbacks": [polite_later]}, "callbacks[0] is the async function polite_later."),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "told"), ARGUMENTS)
def test_arguments(bad, told):
    with pytest.raises(lenity.LenityError) as found:
        lenity.Trainer(**MINIMAL | bad)
    assert told in str(found.value), found.value
    assert (
        "--" not in str(found.value)
        and found.value.what + " " + found.value.remedy == f"{found.value} "[: -1 if found.value.remedy else None]
    )


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: lenity.PLC(temperature=-1), "PLC: temperature: found -1; input should be greater than 0. Set it with temperature=...."),
        (lambda: lenity.PLC(temprature=1), "PLC: temprature: unknown field (value 1). Did you mean 'temperature'?"),
        (lambda: lenity.PLC(0.1), "PLC is given 0.1 without the name of a field. Name it: PLC("),
        (lambda: lenity.Trainer(**MINIMAL).train(resume="runs/a"), "resume is 'runs/a'. Give True"),
        (lambda: lenity.load_run("nowhere"), "'nowhere' is not the folder of a run"),
        (lambda: lenity.load_front("nowhere"), "'nowhere' is not a folder."),
        (lambda: lenity.load_run(None), "'None' is not the folder of a run"),
        (lambda: lenity.load_front(3), "'3' is not a folder."),
        (lambda: lenity.load_front("."), "'.' holds no evaluated run."),
        (lambda: lenity.Trainer.from_yaml("nowhere.yaml"), "configuration file 'nowhere.yaml' not found."),
        (lambda: lenity.pareto.hypervolume([], [0.0]), "the shape of points is (0,)."),
    ],
)  # fmt: skip
def test_other_names(make, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(lenity.LenityError) as found:
        make()
    assert told in str(found.value)


def three(prompts, completions):
    return [1.0, 2.0, 3.0]


def none(prompts, completions):
    return None


def broken(prompts, completions):
    raise ValueError("out of order")


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (three, "reward_funcs['polite'] returned 3 scores for 16 completions."),
        (none, "reward_funcs['polite'] returned NoneType for 16 completions."),
        (lambda prompts, completions: 1.0, "reward_funcs['polite'] returned float for 16 completions."),
        (lambda prompts, completions: set(range(16)), "reward_funcs['polite'] returned set, whose order is not that"),
        (
            lambda prompts, completions: dict(enumerate(completions)),
            "reward_funcs['polite'] returned dict, whose order",
        ),
        (
            lambda prompts, completions: [float("nan")] * len(prompts),
            "reward_funcs['polite'] is not a finite number for 16 of 16",
        ),
        (broken, "ValueError: out of order"),
    ],
)
def test_functions_that_fail_are_named(tiny_model, tmp_path, function, told):
    made = trainer(
        tiny_model, tmp_path / "run", reward_funcs={"polite": function, "harmless": f"{tiny.__file__}:harmless"}
    )
    with pytest.raises(lenity.LenityError) as found:
        made.train()
    assert told in str(found.value) and "reward_funcs['polite']" in str(found.value)


def test_what_is_found_out_at_the_start_of_training(tiny_model, tmp_path):
    for changes, told in [
        ({"model": "no/such/folder"}, "model is 'no/such/folder', a folder that does not exist."),
        ({"args": {"policy.lora.target_modules": ["nope"]}}, "args['policy.lora.target_modules'] names ['nope']"),
        ({"args": {"rollout.max_new_tokens": 500}}, "Lower args['rollout.max_new_tokens']"),
        ({"train_dataset": ["word " * 300]}, "no prompt is left."),
        ({"train_dataset": "no/such/data.jsonl"}, "'no/such/data.jsonl' not found"),
        ({"method": "soups", "callbacks": [print]}, "callbacks are set, but the method"),
    ]:
        with pytest.raises(lenity.LenityError) as found:
            trainer(**{"model": tiny_model, "output": tmp_path / "run"} | changes).train()
        assert told in str(found.value), found.value


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"jobs": 2},
            "jobs is 2, but reward_funcs['polite'] is a Python function, which cannot be sent to another process.",
        ),
        ({"jobs": 0}, "jobs is 0."),
        ({"points": 0}, "points is 0."),
        ({"points": "latice:3"}, "points 'latice:3' is not known."),
        ({"points": [[0.5, 0.4]]}, "points {'polite': 0.5, 'harmless': 0.4} sum to 0.9."),
        ({"methods": ["plcc"]}, "methods[0]: unknown method 'plcc'. Did you mean 'plc'?"),
        (
            {"methods": [lenity.PLC(), lenity.PLC(temperature=0.5)]},
            "Give one of them a label, as in {type: ..., label: other}.",
        ),
        ({"seeds": -1}, "seeds"),
        ({"tokens": 0}, "Set it with tokens."),
    ],
)
def test_arguments_of_sweep(tmp_path, changes, told):
    made = trainer("some/model", tmp_path / "run", train_dataset=TRAIN)
    with pytest.raises(lenity.LenityError) as found:
        lenity.sweep(made, **changes)
    assert told in str(found.value), found.value
    assert not (tmp_path / "run_sweep").exists()


def test_a_sweep_calls_no_callbacks(tmp_path):
    with pytest.raises(lenity.LenityError, match="the trainer has callbacks"):
        lenity.sweep(trainer("some/model", tmp_path / "run", callbacks=[print]))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("rollout.batch_size is 3.", "args['rollout.batch_size'] is 3."),
        ("'a/standardisation.json' and evaluation.parquet, checkpoint.tar, run.yaml", None),
        ("The constants in standardisation.json stay; metrics.jsonl and weights.safetensors too.", None),
        ("held_out_prompts (x): all of the 3", "eval_dataset (x): all of the 3"),
        (
            "takes 'x', and prompts (a.jsonl (train)) has none",
            "takes 'x', and train_dataset (a.jsonl (train)) has none",
        ),
        ("8 prompts (few) of them", None),
        (
            "Name it with --base-model NAME, or push with --merge.",
            "Name it with base_model NAME, or push with merge=True.",
        ),
        ("prompts.split is 'test'.", "train_dataset is 'test'."),
        ("policy.model was 'a' and is 'b'", "model was 'a' and is 'b'"),
        ("Lower ppo.mini_batch_size, e.g. 4.", "Lower args['ppo.mini_batch_size'], e.g. 4."),
        (
            "rewards.polite.source was 1; rewards.other was 2",
            "reward_funcs['polite'].source was 1; rewards.other was 2",
        ),
        ("add --allow-changes, or --seed 3", "add allow_changes=True, or args['seed'] 3"),
        ("pip install --upgrade, --config_file x", None),
    ],
)
def test_words(text, wanted):
    assert in_python(text, ["polite"]) == (wanted or text)
