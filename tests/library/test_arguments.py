"""The forms of every argument, as the configuration that they make."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import datasets
import numpy as np
import pytest

import lenity
import tiny
from lenity.config.load import parse
from lenity.data.columns import Columns
from lenity.data.conversation import Conversation, Message, Prompt
from lenity.data.human_assistant import HUMAN_ASSISTANT
from lenity.library.inputs import write_all
from lenity.rewards.asking import ask
from lenity.rewards.base import Reward
from lenity.rewards.given import GivenReward, GivenSpec
from lenity.runs.config import RunConfig
from lenity.toy.prompts import ToyPrompts
from lenity.toy.rewards import ToyRewardSpec

MINIMAL = {"model": "some/model", "reward_funcs": {"a": "some/reward"}, "train_dataset": ["Hi"]}
QUESTION = [{"role": "user", "content": "Hi"}]


def made(**arguments):
    return lenity.Trainer(**MINIMAL | arguments)


def read(trainer, section="prompts"):
    """The prompts as the run reads them, and the rows that are written."""
    write_all(trainer.arguments.inputs.values(), trainer.config.output)
    source = getattr(trainer.config, section)
    rows = [json.loads(line) for line in Path(source.dataset).read_text().splitlines()]
    return source.read()[0], rows


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_those_of_a_file():
    config = made(weights={"a": 1.0}).config
    data = {"output": "trainer_output", "policy": {"model": "some/model"}, "weights": {"a": 1.0}}
    data |= {"rewards": {"a": {"type": "model", "model": "some/reward"}}, "prompts": config.prompts}
    assert config == parse(RunConfig, data)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (["Hi", "Bye"], ["\n\nHuman: Hi\n\nAssistant:", "\n\nHuman: Bye\n\nAssistant:"]),
        (("\n\nHuman: Hi\n\nAssistant:",), ["\n\nHuman: Hi\n\nAssistant:"]),
        ([QUESTION], ["\n\nHuman: Hi\n\nAssistant:"]),
        ([{"prompt": QUESTION}, {"prompt": "Bye"}], ["\n\nHuman: Hi\n\nAssistant:", "\n\nHuman: Bye\n\nAssistant:"]),
        (
            [[*QUESTION, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Why"}]],
            ["\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Why\n\nAssistant:"],
        ),
        (datasets.Dataset.from_dict({"prompt": ["Hi"]}), ["\n\nHuman: Hi\n\nAssistant:"]),
        (datasets.Dataset.from_dict({"prompt": [QUESTION]}), ["\n\nHuman: Hi\n\nAssistant:"]),
    ],
)
@pytest.mark.parametrize(("argument", "section"), [("train_dataset", "prompts"), ("eval_dataset", "held_out_prompts")])
def test_prompts_in_memory(data, wanted, argument, section):
    trainer = made(**{argument: data, "output": "run"})
    prompts, _ = read(trainer, section)
    assert [HUMAN_ASSISTANT.prompt(prompt) for prompt in prompts] == wanted
    assert Path(getattr(trainer.config, section).dataset).parent == Path("run/inputs").absolute()


def test_other_columns_are_kept_with_their_rows():
    rows = [
        {"prompt": "What is 1 + 1?", "answer": 2, "tests": np.array([1, 2])},
        {"prompt": "Hi", "answer": None, "tests": []},
    ]
    assert read(made(train_dataset=rows))[1] == [
        {"prompt": "What is 1 + 1?", "answer": 2, "tests": [1, 2]},
        {"prompt": "Hi", "answer": None, "tests": []},
    ]
    frame = datasets.Dataset.from_list([{"prompt": "Hi", "label": 1}])
    assert read(made(train_dataset=frame))[1] == [{"prompt": "Hi", "label": 1}]


def test_the_name_of_the_file_is_its_contents():
    one, same, other = (made(train_dataset=data).config.prompts for data in (["Hi"], ("Hi",), ["Bye"]))
    assert one == same and one != other


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (ToyPrompts(count=9), ToyPrompts(count=9)),
        ({"type": "toy", "count": 9}, ToyPrompts(count=9)),
        ("toy", ToyPrompts()),
        ("some/data", Columns(dataset="some/data")),
        (Path("rows.jsonl"), Columns(dataset="rows.jsonl")),
    ],
)
def test_readers_and_names(given, wanted):
    assert made(train_dataset=given).config.prompts == wanted


def test_settings_of_the_reader_beside_the_data():
    config = made(
        train_dataset="some/data", args={"prompts.max_tokens": 99, "held_out_prompts.limit": 5}, eval_dataset=["Hi"]
    ).config
    assert config.prompts == Columns(dataset="some/data", max_tokens=99) and config.held_out_prompts.limit == 5


class Judge:
    def score(self, prompts, completions):
        return [1.0 for _ in completions]


class Own(Reward):
    def score(self, prompts, responses):
        return [2.0 for _ in responses]


@pytest.mark.parametrize(
    ("reward", "wanted"),
    [
        ("org/helpful-rm", {"type": "model", "model": "org/helpful-rm"}),
        (Path("folder"), {"type": "model", "model": "folder"}),
        ("package.module:function", {"type": "function", "function": "package.module:function"}),
        ("file.py:function", {"type": "function", "function": "file.py:function"}),
        ("humor-no-humor", {"type": "humor-no-humor"}),
        ({"type": "toy", "preference": "helpful"}, {"type": "toy", "preference": "helpful"}),
        (ToyRewardSpec(preference="helpful"), {"type": "toy", "preference": "helpful"}),
    ],
)
def test_rewards_that_a_file_can_name(reward, wanted):
    found = made(reward_funcs={"a": reward}).config.dump()["rewards"]["a"]
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    "reward",
    [
        tiny.helpful,
        lambda prompts, completions: [0.0 for _ in completions],
        partial(tiny.helpful),
        Judge(),
        Own(),
        Judge().score,
    ],
)
def test_functions_and_objects_are_written_by_name_and_digest(reward):
    config = made(reward_funcs={"a": reward}).config
    assert isinstance(config.rewards["a"], GivenSpec) and ":" in config.rewards["a"].function
    assert parse(RunConfig, config.dump()) == config


def above(limit):
    return lambda prompts, completions: [float(len(text) > limit) for text in completions]


def test_the_digest_tells_functions_apart():
    one, same, other = (GivenSpec.of("a", above(limit)) for limit in (3, 3, 4))
    assert one == same and one != other
    assert GivenSpec.of("a", partial(tiny.helpful, x=1)) != GivenSpec.of("a", partial(tiny.helpful, x=2))
    assert GivenSpec.of("a", tiny.helpful) != GivenSpec.of("a", tiny.harmless)


@pytest.mark.parametrize(
    ("function", "columns", "wanted"),
    [
        (lambda prompts, completions: [1.0], {}, [1.0]),
        (lambda completions, **kwargs: [len(kwargs["prompts"]) + kwargs["answer"][0]], {"answer": [3]}, [4.0]),
        (lambda prompts, completions, answer: [answer[0]], {"answer": [3], "other": [5]}, [3.0]),
        (lambda questions, texts: [float(len(questions[0]) - len(texts[0]))], {}, [-1.0]),
        (lambda questions, texts, answer: [answer[0]], {"answer": [3]}, [3.0]),
        (lambda *texts: np.array([float(len(texts))]), {}, [2.0]),
        (lambda completions: (7,), {}, [7.0]),
    ],
)
def test_functions_are_called_as_trl_calls_them(function, columns, wanted):
    prompt = Prompt(
        Conversation((Message("user", "p"),), {name: one for name, (one,) in columns.items()}, "1", "p"), "p"
    )
    assert ask(GivenReward("a", function), [prompt], ["ab"]) == wanted


def test_weights_by_name_in_order_or_equal():
    rewards = {"a": "x/a", "b": "x/b"}
    assert made(reward_funcs=rewards).config.weights == {"a": 0.5, "b": 0.5}
    assert made(reward_funcs=rewards, weights=[0.25, 0.75]).config.weights == {"a": 0.25, "b": 0.75}
    assert made(reward_funcs=rewards, weights=np.array([0.25, 0.75])).config.weights == {"a": 0.25, "b": 0.75}
    assert made(reward_funcs=rewards, weights={"b": 1, "a": 0}).config.weights == {"a": 0.0, "b": 1.0}


@pytest.mark.parametrize(
    ("method", "args", "wanted"),
    [
        ("linear", {}, lenity.Linear()),
        ({"type": "plc", "gate": "net"}, {}, lenity.PLC(gate="net")),
        (lenity.PLC(temperature=0.3), {}, lenity.PLC(temperature=0.3)),
        (None, {"method": "linear"}, lenity.Linear()),
        (None, {"method.gate": "net", "method.type": "plc"}, lenity.PLC(gate="net")),
        ("plc", {"method.gate": "net"}, lenity.PLC(gate="net")),
        (None, {"method.gate": "net"}, lenity.PLC(gate="net")),
        (lenity.PLC(temperature=0.3), {"method.gate": "net"}, lenity.PLC(temperature=0.3, gate="net")),
    ],
)
def test_methods(method, args, wanted):
    assert made(method=method, args=args).config.method.rule == wanted


def test_fields_with_dots_and_nested_are_one():
    dotted = made(args={"ppo.epochs": 2, "ppo.clip": 0.1, "policy.lora.r": 8}).config
    assert dotted == made(args={"ppo": {"epochs": 2, "clip": 0.1}, "policy": {"lora": {"r": 8}}}).config
    assert (dotted.ppo.epochs, dotted.ppo.clip, dotted.policy.lora.r) == (2, 0.1, 8)


def test_which_member_comes_before_its_fields_in_any_order():
    fields = {"estimator": "group", "estimator.responses": 4, "rollout.batch_size": 8}
    for order in (fields, dict(reversed(fields.items()))):
        assert made(args=order).config.estimator.responses == 4


def test_a_whole_configuration_and_what_replaces_parts_of_it():
    config = made(args={"seed": 5, "method": "linear"}).config
    assert lenity.Trainer(args=config).config == config == lenity.Trainer.from_config(config).config
    changed = lenity.Trainer(args=config, method="plc", train_dataset="toy", model="other", output="there").config
    assert (changed.seed, changed.method.rule, changed.prompts) == (5, lenity.PLC(), ToyPrompts())
    assert (changed.policy.model, changed.output) == ("other", "there")


def test_the_trainer_of_a_file(tmp_path):
    config = made(reward_funcs={"a": "x/a"}, train_dataset="toy").config
    (tmp_path / "run.yaml").write_text(json.dumps(config.dump()))
    found = lenity.Trainer.from_yaml("run.yaml", {"ppo.epochs": 7, "method": {"gate": "net"}}).config
    assert (found.ppo.epochs, found.method.rule.gate, found.prompts) == (7, "net", ToyPrompts())
