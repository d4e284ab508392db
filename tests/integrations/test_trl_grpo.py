from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pydantic import PrivateAttr
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from integrations import toy_grpo
from integrations.toy_grpo import GATE, early, length, share, trainer
from lenity.errors import ConfigError, RewardError
from lenity.rules import MGDA, PLC, AdvantageRule
from oracles import grpo, slow

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = [{"scale_rewards": scale} for scale in ("group", "batch", "none")]
SETTINGS += [
    {"multi_objective_aggregation": "normalize_then_sum", "scale_rewards": "none"}
]  # which it does not look at


def named(value):
    return getattr(value, "__name__", str(value))


def logged(made):
    """Rewards of the last batch, (B, K) nested lists, None where missing."""
    columns = [list(made._logs["rewards"][name]) for name in made.reward_func_names]
    return [[None if math.isnan(value) else value for value in row] for row in zip(*columns, strict=True)]


def close(found, wanted):
    torch.testing.assert_close(torch.as_tensor(found), torch.tensor(wanted), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(
    ("reward", "rule"), [(length, "linear"), (early, "linear"), (early, PLC(gate="net"))], ids=named
)
def test_one_reward_is_grpo(tiny_model, tmp_path, settings, reward, rule):
    made = trainer(tiny_model, tmp_path, reward, rule=rule, **settings)
    made.train()
    assert made.ours.abs().max() > 0.1
    assert torch.equal(made.ours, made.vanilla)
    assert (reward is early) == (None in [row[0] for row in logged(made)])


def test_the_papers_gate_halves_the_losses_of_one_reward(tiny_model, tmp_path):
    made = trainer(tiny_model, tmp_path, length, rule=PLC(gate="sigmoid"))
    made.train()
    losing = made.vanilla < 0
    assert torch.equal(made.ours, torch.where(losing, made.vanilla / 2, made.vanilla)) and losing.any()


@pytest.mark.parametrize("settings", [SETTINGS[2], SETTINGS[3]], ids=str)
def test_linear_is_grpo_where_that_does_not_mix_before_it_scales(tiny_model, tmp_path, settings):
    """Centring alone is linear, and standardising each reward before the sum is what both do, also where rewards are missing."""
    rewards = [length, share if settings is SETTINGS[2] else early]
    made = trainer(tiny_model, tmp_path, rewards, rule="linear", reward_weights=[0.7, 0.3], **settings)
    made.train()
    assert made.vanilla.abs().max() > 0.1
    torch.testing.assert_close(made.ours, made.vanilla, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_plc_is_the_slow_twins_and_so_is_what_is_logged(tiny_model, tmp_path, settings):
    rule, weights = PLC(schedule="constant", **GATE), {"early": 0.4, "length": 0.6}
    made = trainer(tiny_model, tmp_path, [length, early], rule=rule, weights=weights, **settings)
    made.train()
    whiten = "multi_objective_aggregation" in settings
    scale = "group" if whiten else settings["scale_rewards"]
    wanted = grpo.rectified(
        logged(made), 4, scale, lambda row: slow.plc(row, [0.6, 0.4], GATE["gate"], GATE["temperature"], GATE["leniency"]), whiten
    )  # fmt: skip
    close(made.ours, wanted)
    close(list(made._logs["advantages"]), wanted)
    assert (made.ours - made.vanilla).abs().max() > 0.1

    row = made.state.log_history[0]
    advantages = grpo.group_advantages(logged(made), 4, scale)
    masks = [slow.plc_mask(values, [0.6, 0.4], *GATE.values()) for values in advantages]
    for k, name in enumerate(("length", "early")):
        losses = [(-a[k], m[k]) for a, m in zip(advantages, masks, strict=True) if a[k] < 0]
        wanted = 1 - sum(loss * m for loss, m in losses) / sum(loss for loss, _ in losses)
        assert row[f"forgiven/{name}"] == pytest.approx(wanted, abs=1e-4) and wanted > 0.01
    assert row["conflict_rate"] == sum(a[0] * a[1] < 0 for a in advantages) / 8
    seen = [values for values in logged(made) if values[0] is not None]
    assert row["rewards/length/mean"] == pytest.approx(sum(values[0] for values in seen) / len(seen))


def test_the_logged_advantages_of_several_batches_stay_in_order(tiny_model, tmp_path):
    """The log holds one generation batch; what was logged before stays before, and none is TRL's own."""
    made = trainer(tiny_model, tmp_path, [length, share], max_steps=2, steps_per_generation=1)
    made._logs["advantages"] = list(range(3))
    made.train()
    assert made._logs["advantages"][:3] == [0, 1, 2] and len(made._logs["advantages"]) == 3 + 16
    assert made._logs["advantages"][-8:] == made.ours.tolist()


class Counting(AdvantageRule):
    """Remembers how often it was asked, and at which progress."""

    _progress: list = PrivateAttr(default_factory=list)

    def at(self, progress):
        self._progress.append(progress)
        return self

    def objective_scale(self, advantages, weights):
        return torch.ones_like(advantages)

    def initial_memory(self, objectives):
        return {"seen": torch.zeros(1)}

    def step(self, advantages, weights, memory):
        return self.objective_scale(advantages, weights), {"seen": memory["seen"] + 1}


def seen(made):
    return made.remembered.memory["seen"].tolist()


def test_a_rule_follows_the_steps_and_its_memory_is_in_checkpoints(tiny_model, tmp_path):
    steps = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    made = trainer(tiny_model, tmp_path, [length, share], rule=Counting(), **steps)
    made.train()
    assert made.rule._progress == [0, 0.25, 0.5, 0.75]
    again = trainer(tiny_model, tmp_path, [length, share], rule=Counting(), **steps)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert again.rule._progress == [0.5, 0.75]
    assert seen(again) == seen(made) == [4]


class Fading(AdvantageRule):
    """Its schedule makes a copy, which is what counts; how often it was asked is what its mask depends on."""

    strength: float = 1.0

    def at(self, progress):
        return self.model_copy(update={"strength": 1 - progress})

    def initial_memory(self, objectives):
        return {"seen": torch.tensor(0.0)}

    def objective_scale(self, advantages, weights):
        return self.step(advantages, weights, self.initial_memory(()))[0]

    def step(self, advantages, weights, memory):
        scale = torch.where(advantages < 0, 1 - self.strength * memory["seen"] / 8, 1.0)
        return scale, {"seen": memory["seen"] + 1}


def test_a_rule_whose_schedule_makes_copies_remembers_too(tiny_model, tmp_path):
    steps = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    made = trainer(tiny_model, tmp_path, [length, share], rule=Fading(), **steps)
    made.train()
    again = trainer(tiny_model, tmp_path, [length, share], rule=Fading(), **steps)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert seen(again) == seen(made) == 4
    assert torch.equal(again.ours, made.ours), "the last batch's advantages"
    with pytest.warns(UserWarning, match="the memory of rule Fading, which is ignored: the rule is Counting"):
        other = trainer(tiny_model, tmp_path, [length, share], rule=Counting(), **steps)
        other.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert seen(other) == [2]


def test_evaluation_has_advantages_of_its_own_and_teaches_the_rule_nothing(tiny_model, tmp_path):
    made = trainer(
        tiny_model, tmp_path, [length, share], rule=Counting(), eval_dataset=True, per_device_eval_batch_size=8,
        num_generations_eval=2,
    )  # fmt: skip
    found = made.evaluate()
    assert seen(made) == [0] and "eval_forgiven/share" in found
    close(made.ours, grpo.rectified(logged(made), 2, "group", lambda row: sum(row) / 2))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rule": MGDA()}, ConfigError, "rule MGDA does not combine advantages"),
        ({"rule": "gapo"}, ConfigError, "rule GAPO does not"),
        ({"rule": "ric"}, ConfigError, "unknown rule 'ric'"),
        ({"rule": "pcl"}, ConfigError, "Did you mean 'plc'"),
        ({"rule": "gdpo"}, ConfigError, "needs 8 responses per prompt, but args.num_generations is 4"),
        ({"weights": {"length": 1.0}}, ConfigError, r"weights are for \['length'\], but the reward functions are"),
        ({"weights": {"length": 0.9, "share": 0.3}}, ConfigError, "sum to 1.2, not 1"),
        ({"weights": {"length": 0.5, "share": 0.5}, "reward_weights": [1, 1]}, ConfigError, "both set"),
        ({"reward_weights": [0.0, 0.0]}, ConfigError, "not all 0"),
        ({"reward_weights": [3.0, -1.0]}, ConfigError, "weights.share is -0.5"),
    ],
)
def test_what_does_not_fit_is_refused(tiny_model, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        trainer(tiny_model, tmp_path, [length, share], **options)


def test_reward_functions_of_one_name_are_refused(tiny_model, tmp_path):
    with pytest.raises(ConfigError, match="are not distinct"):
        trainer(tiny_model, tmp_path, [length, length])


def test_an_infinite_reward_is_refused(tiny_model, tmp_path):
    def ratio(completions, **_):
        return [math.inf, *[1.0] * (len(completions) - 1)]

    with pytest.raises(RewardError, match="'ratio' gave infinity for 1 of 8 completions"):
        trainer(tiny_model, tmp_path, [length, ratio]).train()


def test_weights_are_shares_of_those_of_trl(tiny_model, tmp_path):
    assert trainer(tiny_model, tmp_path, [length, share]).objectives.weights == {"length": 0.5, "share": 0.5}
    made = trainer(tiny_model, tmp_path, [length, share], reward_weights=[3.0, 1.0])
    assert made.objectives.weights == {"length": 0.75, "share": 0.25}
    named = trainer(tiny_model, tmp_path, [length, share], weights={"share": 0.25, "length": 0.75})
    assert named.objectives.weight_vector().tolist() == named.reward_weights.tolist() == [0.75, 0.25]


@pytest.mark.slow
def test_a_prompt_of_plain_text_has_no_end_inside(tiny_model, tmp_path):
    copy = shutil.copytree(tiny_model, tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(copy)
    template = TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", tokenizer.eos_token_id)])
    tokenizer.backend_tokenizer.post_processor = template
    tokenizer.save_pretrained(copy)
    assert AutoTokenizer.from_pretrained(copy)("sure")["input_ids"][-1] == tokenizer.eos_token_id
    found = []
    for model in (tiny_model, copy):
        made = trainer(model, tmp_path / "out", [length])
        found.append(made._tokenize_prompts(["\n\nHuman: sure\n\nAssistant:"]))
    assert found[0] == found[1] and len(found[0][0][0]) == 3


def test_two_processes_share_a_group(tiny_model, tmp_path):
    """The eight completions to one prompt are on two processes; each gets its half of the advantages of all eight."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", toy_grpo.__file__]
    paths = os.pathsep.join([str(ROOT / "tests"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    found = subprocess.run(
        [*launch, tiny_model, tmp_path], check=False, capture_output=True, text=True, timeout=120,
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "PYTHONPATH": paths},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    ranks = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    rewards = list(zip(ranks[0]["rewards"]["length"], ranks[0]["rewards"]["early"], strict=True))
    rewards = [[None if math.isnan(value) else value for value in row] for row in rewards]
    wanted = grpo.rectified(rewards, 8, "group", lambda row: slow.plc(row, [0.6, 0.4], *GATE.values()))
    assert sum(row[0] for row in rewards[:4]) != sum(row[0] for row in rewards[4:])
    close(ranks[0]["ours"] + ranks[1]["ours"], wanted)
    assert ranks[0]["advantages"] == ranks[1]["advantages"] == ranks[0]["ours"] + ranks[1]["ours"]


def test_the_package_is_light_until_the_trainer_is_asked_for():
    code = "import sys, lenity.integrations; assert not {'torch', 'trl'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    import lenity.integrations

    with pytest.raises(AttributeError, match="no attribute 'Trainer'"):
        lenity.integrations.Trainer  # noqa: B018
