""":mod:`lenity.testing` as an author of rules uses it: parameters, declarations, messages, and the test doubles."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from lenity.errors import ConfigError
from lenity.rules import MGDA, PGAPO, PLC, Linear, Rule
from lenity.testing import (
    ADVANTAGE_LAWS,
    HARD_ADVANTAGES,
    HARD_JACOBIANS,
    AdvantageProblem,
    BrokenLaw,
    climb_bandit,
    laws_of,
    save_tiny_policy,
    train_in_toy_world,
)  # fmt: skip

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lab.md"
CLAIMED = 'claims=["keeps_gains", "only_forgives", "keeps_sign"]'


def marks(cases):
    """The mark of each law that has one, by the law's name."""
    return {case.values[0].law.name: case.marks[0] for case in cases if case.marks}


def test_the_documented_example_runs_as_a_file_of_its_own(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    example = next(block for block in blocks if "laws_of" in block)
    assert CLAIMED in example
    broken = example.replace("(advantages < 0) & gain, 0.5", "(advantages < 0) & gain, 0.0").replace("> 0\n", "> -1\n")
    declared = broken.replace(CLAIMED, 'exceptions={"keeps_scale": "from -1 on", "one_objective": "losses of 1"}')
    for name, text in (("test_mine", example), ("test_broken", broken), ("test_declared", declared)):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-ra",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    failed = set(re.findall(r"^FAILED (\w+).py::test_law\[Halved\(\)-(\w+)\]", found.stdout, re.MULTILINE))
    expected = {("test_broken", name) for name in ("keeps_scale", "one_objective", "keeps_sign")}
    assert failed == expected, found.stdout
    assert "Halved(): ignores_weights is not claimed" in found.stdout
    assert "XFAIL test_declared.py::test_law[Halved()-one_objective] - Halved(): losses of 1" in found.stdout


def test_what_is_not_claimed_is_skipped_and_what_is_excepted_must_fail():
    found = marks(laws_of(PLC(), claims=["keeps_gains"], exceptions={"one_objective": "halves losses"}))
    assert found.keys() == {"only_forgives", "keeps_sign", "ignores_weights", "one_objective"}
    assert found["only_forgives"].name == "skip" and found["only_forgives"].kwargs["reason"].endswith("is not claimed")
    assert found["one_objective"].kwargs == {"reason": "PLC(): halves losses", "strict": True, "raises": BrokenLaw}


def test_a_rule_that_says_that_weights_play_no_part_is_held_to_it():
    assert "ignores_weights" not in marks(laws_of(MGDA())) and "ignores_weights" in marks(laws_of(PGAPO()))


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        (PLC(), {"claims": ["keep_sign"]}, "claims names 'keep_sign'.* Did you mean 'keeps_sign'"),
        (PLC(), {"claims": ["finite"]}, "claims names 'finite', which is none of this rule's"),
        (PLC(), {"claims": ["non_conflict"]}, "claims names 'non_conflict'"),
        (PLC(), {"exceptions": {"keeps_sign": "no"}}, "exceptions names 'keeps_sign'"),
        (PLC(), {"temperature": "tau"}, "temperature names 'tau'.*Known:.* temperature"),
        (MGDA(), {"largest_scale": 2.0}, "options names 'largest_scale'"),
        (PLC, {}, "combines neither advantages nor gradients"),
        ("plc", {}, "combines neither advantages nor gradients"),
    ],
)
def test_wrong_declarations_are_explained(rule, options, message):
    with pytest.raises(ConfigError, match=message):
        laws_of(rule, **options)


@pytest.mark.parametrize("package", ["pytest", "hypothesis"])
def test_a_missing_package_is_named_with_the_extra(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "hypothesis.strategies", raising=False)
    with pytest.raises(ConfigError) as caught:
        laws_of(PLC())
    assert package in caught.value.what and caught.value.remedy == "Install it: pip install 'lenity[testing]'."


def test_the_message_has_rule_law_and_the_smallest_input():
    with pytest.raises(BrokenLaw) as caught:
        ADVANTAGE_LAWS["one_objective"].check(PLC(temperature=0.2))
    assert str(caught.value).splitlines() == [
        "PLC(temperature=0.2) breaks the law one_objective: With one objective the rule is the identity.",
        "  advantages = [[-1.0]]",
        "  weights    = [1.0]",
        "rectify of [[-1.0]] alone is [-0.5] where the law wants [-1.0].",
    ]


def test_a_rule_that_raises_breaks_the_law_on_that_input():
    class Failing(Linear):
        def objective_scale(self, advantages, weights):
            raise IndexError("out of range")

    problem = AdvantageProblem(torch.tensor([[1.0, -1.0]]), torch.tensor([0.5, 0.5]))
    with pytest.raises(BrokenLaw, match=r"weights    = \[0.5, 0.5\]\nIt raises IndexError: out of range") as caught:
        ADVANTAGE_LAWS["finite"](Failing(), problem)
    assert isinstance(caught.value.__cause__, IndexError)


def test_the_hard_inputs_are_as_hard_as_they_are_named():
    common = {"zeros", "tiny", "huge", "unlike scales"}
    assert HARD_ADVANTAGES.keys() >= common | {"all losing", "conflicting", "one objective copied"}
    assert HARD_JACOBIANS.keys() >= common | {
        "one row zero", "rank 1", "opposed", "nearly opposed", "more objectives than parameters",
    }  # fmt: skip
    for values in (HARD_ADVANTAGES, HARD_JACOBIANS):
        sizes = {name: value.abs().max().item() for name, value in values.items()}
        assert sizes["zeros"] == 0 and sizes["tiny"] < 1e-14 and sizes["huge"] > 1e15
    assert torch.linalg.matrix_rank(HARD_JACOBIANS["rank 1"]) == 1


def test_the_tiny_policy_is_read_as_any_model_and_has_a_token_per_byte(tmp_path):
    folder = save_tiny_policy(tmp_path / "tiny")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    text = "héllo 😀\n"
    ids = tokenizer(text)["input_ids"]
    assert len(ids) == len(text.encode()) and tokenizer.decode(ids) == text
    assert model(torch.tensor([ids])).logits.shape == (1, len(ids), len(tokenizer))


def test_a_rule_climbs_the_bandit():
    path = climb_bandit(Linear())
    assert path[0] == pytest.approx({"first": 1.6 / 3, "second": 1.6 / 3})
    assert sum(path[-1].values()) > 2 * 0.59  # the compromise is worth .6 each
    assert climb_bandit(MGDA(), steps=100)[-1]["first"] > 0.55


@pytest.fixture
def world_of_the_tests(monkeypatch, small_world):
    monkeypatch.setattr("lenity.toy.world.build_world", lambda **_: small_world)


def test_a_rule_trains_in_the_toy_world(tmp_path, world_of_the_tests):
    rewards = train_in_toy_world(
        PLC(gate="net"), tmp_path / "run", {"helpful": 0.0, "harmless": 0.0, "humorous": 1.0}, iterations=4,
        rollout={"batch_size": 64, "max_new_tokens": 12}, standardisation={"prompts": 32},
    )  # fmt: skip
    assert len(rewards) == 4 and rewards[-1]["humorous"] > rewards[0]["humorous"] + 0.1


def test_a_rule_that_no_run_folder_could_name_is_refused(tmp_path):
    class Nameless(Linear):
        pass

    assert issubclass(Nameless, Rule)
    with pytest.raises(ConfigError, match="rule Nameless is not registered"):
        train_in_toy_world(Nameless(), tmp_path)
