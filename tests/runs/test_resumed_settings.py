"""A resumed run with changed settings: each field of the configuration takes effect, or is refused by name."""

from __future__ import annotations

import inspect
import json
import math
import shutil

import pandas as pd
import pytest
import torch
import yaml
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

import faults.same
import tiny
from faults.same import assert_same, rows
from lenity.config.base import Section
from lenity.config.load import override, parse
from lenity.errors import CheckpointError, RewardError
from lenity.evaluation.score import evaluate
from lenity.methods import train
from lenity.models.policy import load_base
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.storage import manifest
from lenity.training.stages import Stages

CONSTANT = {"learning_rate": 1e-2, "warmup_steps": 0, "final_fraction": 1.0}


class HeldError(Exception):
    """What a resumed run holds before its first new step."""

    def __init__(self, stages):
        self.stages = stages


@pytest.fixture(scope="module")
def straight(tiny_model, tmp_path_factory):
    """Four iterations of four steps, with a checkpoint after each; beta and the rate move."""
    return train(
        tiny.run_config(tiny_model, tmp_path_factory.mktemp("straight") / "run", iterations=4, kl={"horizon": 50})
    )


@pytest.fixture
def half(straight, tmp_path):
    """The same, killed after three."""
    shutil.copytree(straight.path, tmp_path / "half")
    shutil.rmtree(tmp_path / "half" / "adapter")
    shutil.rmtree(tmp_path / "half" / "checkpoints" / "iteration_000004")
    return RunFolder(tmp_path / "half")


@pytest.fixture
def unsharded(straight, tmp_path):
    """The same, finished."""
    shutil.copytree(straight.path, tmp_path / "whole")
    return RunFolder(tmp_path / "whole")


def changed(run, *options):
    data = override(run.config.dump() | {"output": str(run.path)}, [str(option) for option in options])
    return parse(RunConfig, data)


def go_on(run, *options):
    return train(changed(run, *options), resume=True, allow_changes=True)


def held(run, monkeypatch, *options):
    """The stages of a resumed run, which ends before it trains."""
    restore = Stages.restore

    def caught(stages, *arguments, **settings):
        restore(stages, *arguments, **settings)
        raise HeldError(stages)

    monkeypatch.setattr(Stages, "restore", caught)
    with pytest.raises(HeldError) as found:
        go_on(run, *options)
    return found.value.stages


def group(index, name):
    return lambda stages: stages.trainer.update.optimizer.param_groups[index][name]


def near(wanted):
    return pytest.approx(wanted) if isinstance(wanted, float | tuple) else wanted


def factor(step, total, warmup, last):
    """The schedule, written down again."""
    if step < warmup:
        return step / max(warmup, 1)
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1)))


RATE = 1e-2 * factor(12, 16, 1, 0.0)  # after three iterations of four steps
FUNCTION = f"{tiny.__file__}:helpful"
HELD_OUT = json.dumps({"long": {"type": "function", "function": FUNCTION}})
BETA = lambda stages: stages.kl.coefficient  # noqa: E731
LORA = lambda stages: [m for m in stages.world.policy.modules() if isinstance(m, LoraLayer)]  # noqa: E731

REFUSED = {  # what has been made or measured with the old value
    "critic.kind": "separate",
    "critic.hidden_size": 9,
    "policy.lora.r": 5,
    "policy.lora.target_modules": "[q_proj]",
    "standardisation.prompts": 40,
    "standardisation.file": "elsewhere.json",
    "rewards": "one of its fields, below",
}
TAKEN = {  # the new value, and where it is in what trains: what is held and what it must be
    "seed": (5, lambda s: s.config.seed, 5),
    "iterations": (8, group(0, "lr"), 1e-2 * factor(12, 32, 1, 0.0)),
    "policy.lora.alpha": (16, lambda s: {m.scaling["default"] for m in LORA(s)}, {4.0}),
    "policy.lora.dropout": (0.25, lambda s: {m.lora_dropout["default"].p for m in LORA(s)}, {0.25}),
    "policy.dtype": ("bfloat16", lambda s: s.world.policy.get_base_model().lm_head.weight.dtype, torch.bfloat16),
    "policy.compile": ("true", lambda s: s.config.policy.compile, True),
    "policy.gradient_checkpointing": ("true", lambda s: s.config.policy.gradient_checkpointing, True),
    "policy.trust_remote_code": ("true", lambda s: s.config.policy.trust_remote_code, True),
    "policy.revision": ("main", lambda s: s.config.policy.revision, "main"),
    "prompts": ("{type: toy, split: train, count: 24}", lambda s: len(set(s.world.prompts)) <= 24, True),
    "weights": ("{helpful: 0.75, harmless: 0.25}", lambda s: s.config.objectives.weight_vector().tolist(), [0.75, 0.25]),
    "critic.detach": ("true", lambda s: s.trainer.actor_critic.detach, True),
    "rollout.batch_size": (16, group(0, "lr"), 1e-2 * factor(24, 32, 1, 0.0)),
    "rollout.generation_batch_size": (4, lambda s: s.engine.batch_size, 4),
    "rollout.max_new_tokens": (5, lambda s: s.engine.max_new_tokens, 5),
    "rollout.min_new_tokens": (2, lambda s: s.engine.min_new_tokens, 2),
    "rollout.temperature": (0.5, lambda s: (s.engine.temperature, s.trainer.actor_critic.temperature), (0.5, 0.5)),
    "rollout.top_p": (0.5, lambda s: s.engine.top_p, 0.5),
    "rollout.stop": ("[x]", lambda s: s.engine.stop, ("x",)),
    "ppo.epochs": (4, group(0, "lr"), 1e-2 * factor(24, 32, 1, 0.0)),
    "ppo.mini_batch_size": (8, lambda s: (s.trainer.update.failures.micro_batch, group(0, "lr")(s)), (8, 1e-2 * factor(6, 8, 1, 0.0))),
    "ppo.accumulation": (2, group(0, "lr"), 1e-2 * factor(6, 8, 1, 0.0)),
    "kl.coefficient": (0.3, BETA, 0.3),
    "kl.kind": ("fixed", BETA, 0.05),
    "kl.target": (5.0, lambda s: s.kl.target, 5.0),
    "kl.horizon": (9.0, lambda s: s.kl.horizon, 9.0),
    "optimizer.learning_rate": (3e-3, lambda s: (group(0, "lr")(s), group(1, "lr")(s)), (0.3 * RATE, 0.3 * RATE)),
    "optimizer.critic_learning_rate": (5e-3, lambda s: (group(0, "lr")(s), group(1, "lr")(s)), (RATE, 0.5 * RATE)),
    "optimizer.weight_decay": (0.1, lambda s: (group(0, "weight_decay")(s), group(1, "weight_decay")(s)), (0.1, 0.1)),
    "optimizer.betas": ("[0.8, 0.9]", lambda s: tuple(group(1, "betas")(s)), (0.8, 0.9)),
    "optimizer.max_grad_norm": (0.1, lambda s: s.trainer.update.max_grad_norm, 0.1),
    "optimizer.warmup_steps": (14, group(0, "lr"), 1e-2 * 12 / 14),
    "optimizer.final_fraction": (0.5, group(0, "lr"), 1e-2 * factor(12, 16, 1, 0.5)),
    "reward_noise": ("{fraction: 0.5}", lambda s: s.config.reward_noise.fraction, 0.5),
    "method": ("{type: linear}", lambda s: type(s.rule).__name__, "Linear"),
    "estimator": ("{type: critic, responses: 2}", lambda s: s.config.estimator.responses, 2),
    "budget.tokens": (500, lambda s: s.config.budget.tokens, 500),
    "tolerance.unscored": (0.5, lambda s: s.config.tolerance.unscored, 0.5),
    "tolerance.non_finite_steps": (3, lambda s: s.trainer.update.tolerance.non_finite_steps, 3),
    "tolerance.silence": (99.0, lambda s: s.config.tolerance.silence, 99.0),
    "held_out_rewards": (HELD_OUT, lambda s: list(s.config.held_out_rewards), ["long"]),
    "held_out_prompts": ("{type: toy, split: test, count: 9}", lambda s: s.config.held_out_prompts.count, 9),
    "checkpoint.every": (2, lambda s: s.config.checkpoint.every, 2),
    "checkpoint.keep_last": (5, lambda s: s.config.checkpoint.keep_last, 5),
    "checkpoint.keep_every": (3, lambda s: s.config.checkpoint.keep_every, 3),
    "logging.samples": (1, lambda s: s.config.logging.samples, 1),
    "logging.every_seconds": (7.0, lambda s: s.config.logging.every_seconds, 7.0),
    "logging.progress": ("true", lambda s: s.config.logging.progress, True),
}  # fmt: skip
TAKEN |= {
    f"ppo.{name}": (value, lambda s, name=name: getattr(s.trainer.update.settings, name), value)
    for name, value in {
        "gamma": 0.5, "lam": 0.5, "clip": 0.1, "value_clip": 0.1, "value_coefficient": 0.5, "ratio_limit": 3.0,
        "importance_cap": 3.0, "normalise": "none", "whiten": False,
    }.items()
}  # fmt: skip
ELSEWHERE = {  # the folder itself; the template, of which there is one; another model, below; engines and trackers that need packages; how it is evaluated
    "output", "template", "policy.model", "critic.model", "preset", "rollout.engine", "logging.trackers",
    *(f"rollout.vllm.{name}" for name in RunConfig.model_fields["rollout"].annotation.model_fields["vllm"].annotation.model_fields),
    *(f"evaluation.{name}" for name in RunConfig.model_fields["evaluation"].annotation.model_fields),
    *("evaluation.reference.rule", "evaluation.reference.point"),
} - {"evaluation.reference"}  # fmt: skip


def leaves(section, prefix=""):
    for name, field in section.model_fields.items():
        kind = field.annotation
        if (
            inspect.isclass(kind)
            and issubclass(kind, Section)
            and not inspect.isabstract(kind)
            and name not in {"prompts", "method", "estimator"}
        ):
            yield from leaves(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_field_is_classified():
    assert {*REFUSED, *TAKEN, *ELSEWHERE} == set(leaves(RunConfig))


@pytest.mark.parametrize("field", REFUSED)
def test_what_cannot_take_effect_is_refused_by_name_and_nothing_is_put_on_record(half, field):
    files = {file: file.read_bytes() for file in half.path.rglob("*") if file.is_file() and file.name != "run.lock"}
    value = REFUSED[field]
    if field == "rewards":
        field, value = "rewards.helpful.sign", -1
    for _ in range(2):  # the second time too
        with pytest.raises(CheckpointError, match=rf"would have no effect.*{field} was "):
            go_on(half, f"--{field}", value)
    assert {file: file.read_bytes() for file in files} == files


@pytest.mark.parametrize("field", TAKEN)
def test_what_is_allowed_takes_effect(half, monkeypatch, field):
    value, where, wanted = TAKEN[field]
    before = half.config
    stages = held(half, monkeypatch, f"--{field}", value)
    assert where(stages) == (wanted if field == "rollout.stop" else near(wanted))
    now = RunFolder(half.path).config
    assert now == changed(half, f"--{field}", value) and now != before, "it is on record"
    assert f"Changed after iteration 3: {field}" in (half.path / "notes.log").read_text()


def test_equal_settings_go_on_to_the_bit(half, straight):
    assert_same(go_on(half), straight)


def rates(run):
    return [row["learning_rate"] for row in run.metrics()]


def notes(run):
    return [line.split(" ", 1)[1] for line in (run.path / "notes.log").read_text().splitlines()]


def test_more_iterations_after_the_end_go_on_at_the_new_schedules_rate_and_say_so(unsharded):
    """PLC's leniency, which had fallen to 0 at 0.6 of four iterations, is 1 - 4 / (0.6 * 8) of itself at four of eight."""
    longer = go_on(unsharded, "--iterations", 8)
    wanted = [1e-2 * factor(4 * i, 16 if i < 4 else 32, 1, 0.0) for i in range(8)]
    assert rates(longer) == pytest.approx(wanted) and wanted[4] > 4e-3
    assert notes(longer)[-2:] == [
        "Changed after iteration 4: iterations was 4 and is 8.",
        f"Iteration 5 of 8 begins with learning rate {wanted[4]:.3g} (it was 0 before), leniency 0.167 (it was 0 before).",
    ]
    assert longer.finished and longer.config.iterations == 8


@pytest.mark.parametrize(
    ("field", "value"), [("optimizer.learning_rate", 1e-3), ("weights", "{helpful: 1.0, harmless: 0.0}"), ("ppo.clip", 0.1), ("seed", 7)]
)  # fmt: skip
def test_a_finished_run_refuses_what_it_has_nothing_left_to_train_with(unsharded, field, value):
    with pytest.raises(CheckpointError, match=rf"{field}[.\w]* was .* \(nothing is left to train\)"):
        go_on(unsharded, f"--{field}", value)
    assert unsharded.config.iterations == 4 and RunFolder(unsharded.path).config == unsharded.config
    assert go_on(unsharded, "--evaluation.limit", 7).config.evaluation.limit == 7, "what is still to be done may change"


def test_less_iterations_end_a_run_where_it_is_and_not_before(half):
    with pytest.raises(CheckpointError, match=r"iterations was 4 and is 2 \(3 iterations are done\)"):
        go_on(half, "--iterations", 2)
    with pytest.raises(CheckpointError, match=r"seed was 0 and is 3 \(nothing is left to train\)"):
        go_on(half, "--iterations", 3, "--seed", 3)
    run = go_on(half, "--iterations", 3)
    assert run.finished and len(run.metrics()) == 3


def test_more_iterations_without_a_checkpoint_are_refused(unsharded):
    shutil.rmtree(unsharded.checkpoints)
    with pytest.raises(CheckpointError, match=r"iterations was 4 and is 8 \(there is no checkpoint to resume from\)"):
        go_on(unsharded, "--iterations", 8)
    assert len(unsharded.metrics()) == 4


def test_a_lower_rate_makes_smaller_steps_with_the_same_moments(tiny_model, tmp_path):
    """One step an iteration at a constant rate: the next one is from the same gradient, a tenth as long."""
    once = {"ppo": {"epochs": 1, "mini_batch_size": 8, "accumulation": 1}, "optimizer": CONSTANT}
    run = train(tiny.run_config(tiny_model, tmp_path / "run", iterations=2, **once))
    ends = {}
    for rate in (1e-2, 1e-3):
        shutil.copytree(run.path, tmp_path / str(rate))
        made = go_on(RunFolder(tmp_path / str(rate)), "--iterations", 3, "--optimizer.learning_rate", rate)
        ends[rate] = [load_file(made.checkpoints / f"iteration_00000{i}" / "weights.safetensors") for i in (2, 3)]
    for name, start in ends[1e-2][0].items():
        long, short = (ends[rate][1][name] - start for rate in (1e-2, 1e-3))
        torch.testing.assert_close(short, 0.1 * long, rtol=1e-2, atol=1e-6)
    assert any((ends[1e-2][1][name] - start).abs().max() > 1e-4 for name, start in ends[1e-2][0].items())


def test_beta_stays_where_it_was_unless_what_it_came_from_changes(half, tmp_path):
    came = json.loads((half.checkpoints / "iteration_000003" / "state.json").read_text())["kl_coefficient"]
    assert abs(came - 0.05) > 1e-3
    for options, wanted in (
        (("--kl.target", 7), came),
        (("--kl.coefficient", 0.2), 0.2),
        (("--kl.kind", "fixed"), 0.05),
    ):
        shutil.copytree(half.path, tmp_path / str(wanted))
        row = go_on(RunFolder(tmp_path / str(wanted)), *options).metrics()[-1]
        assert row["iteration"] == 4 and row["kl_coefficient"] == wanted


def test_a_change_that_was_killed_before_its_first_checkpoint_is_one_still(half, monkeypatch):
    """config.yaml has the new beta already, the checkpoint comes from the old one."""
    for _ in range(2):
        assert held(half, monkeypatch, "--kl.coefficient", 0.2).kl.coefficient == 0.2


def test_a_mini_batch_that_the_memory_made_smaller_stays_so_until_its_size_changes(half, monkeypatch):
    file = half.checkpoints / "iteration_000003" / "state.json"
    state = json.loads(file.read_text())
    assert state["setbacks"]["micro_batch"] == 4
    file.write_text(json.dumps(state | {"setbacks": {"micro_batch": 2, "non_finite_steps": 1}}))
    manifest.write(file.parent)
    for options, size in (((), 2), (("--ppo.mini_batch_size", 8), 8)):
        failures = held(half, monkeypatch, *options).trainer.update.failures
        assert (failures.micro_batch, failures.non_finite_steps) == (size, 1)


def test_a_checkpoint_of_version_1_0_goes_on_with_the_settings_of_today(half, straight, monkeypatch):
    """It has the optimizer's groups and the schedule, and not the settings that it came from."""
    file = half.checkpoints / "iteration_000003" / "state.json"
    state = json.loads(file.read_text())
    state.pop("settings")
    groups = [{"lr": 3.0, "initial_lr": 3.0, "betas": [0.9, 0.999], "weight_decay": 0.0, "params": [0]}]
    file.write_text(json.dumps(state | {"optimizer": groups, "schedule": {"base_lrs": [3.0, 3.0], "last_epoch": 99}}))
    manifest.write(file.parent)
    assert group(0, "lr")(held(half, monkeypatch, "--optimizer.learning_rate", 1e-3)) == pytest.approx(0.1 * RATE)
    monkeypatch.undo()
    (half.path / "config.yaml").write_text((straight.path / "config.yaml").read_text())
    assert rows(go_on(half)) == rows(straight)


def test_another_model_is_refused_before_anything_is_put_on_record(half, tmp_path):
    other = tiny.save_model(tmp_path / "other", hidden=24)
    with pytest.raises(CheckpointError, match=r"another model or adapter.*policy\.model"):
        go_on(half, "--policy.model", other)
    assert RunFolder(half.path).config.policy.model != str(other)


def test_an_adapter_that_was_merged_stays_the_policy(tiny_model, unsharded, tmp_path):
    run = train(tiny.run_config(unsharded.adapter, tmp_path / "run", iterations=1))
    with pytest.raises(
        CheckpointError, match=r"policy\.model was .* \(the first configuration's adapter is merged in base/\)"
    ):
        go_on(run, "--policy.model", tmp_path / "another", "--iterations", 2)


def test_a_moved_or_more_patient_reward_is_the_same_and_another_is_not(half, monkeypatch, tmp_path):
    moved = shutil.copy(tiny.__file__, tmp_path / "moved.py")
    stages = held(half, monkeypatch, "--rewards.helpful.function", f"{moved}:helpful", "--rewards.helpful.timeout", 9)
    assert stages.world.rewards["helpful"].timeout == 9
    for other in (f"{moved}:harmless", f"{faults.same.__file__}:helpful"):
        with pytest.raises(
            CheckpointError, match=r"rewards\.helpful\.function was .* \(the constants in standardisation\.json stay"
        ):
            go_on(half, "--rewards.helpful.function", other)
    (half.path / "standardisation.json").unlink()
    again = held(half, monkeypatch, "--rewards.helpful.sign", -1)
    assert again.standardiser.means["helpful"] < 0, "measured again"


def test_a_method_of_another_kind_is_refused(half):
    with pytest.raises(CheckpointError, match=r"method.* \(one method trains in the loop, the other does not\)"):
        go_on(half, "--method", "{type: soups}")


def test_a_method_of_another_name_is_one_change(half):
    notes = go_on(half, "--method", "{type: linear, label: plain}").path / "notes.log"
    changed = [line.split(" ", 1)[1] for line in notes.read_text().splitlines() if "method" in line]
    assert (
        len(changed) == 1
        and changed[0].startswith("Changed after iteration 3: method was plc (")
        and changed[0].endswith("is linear (label 'plain').")
    )


def test_a_run_may_drop_its_critic_and_not_get_one(half, tmp_path):
    """The policy's weights and moments stay; those of the critic have no place any more."""
    before = load_file(half.checkpoints / "iteration_000003" / "weights.safetensors")
    run = go_on(half, "--estimator", "group:4")
    assert run.finished and "value_loss" in run.metrics()[2] and "value_loss" not in run.metrics()[3]
    after = load_file(run.checkpoints / "iteration_000004" / "weights.safetensors")
    assert set(after) == {name for name in before if name.startswith("policy.")} != set(before)
    go_on(run, "--estimator", "leave_one_out:2", "--iterations", 5)
    for options in (("--estimator", "critic"), ("--estimator", "null")):
        with pytest.raises(CheckpointError, match=r"estimator was .* is critic.*\(the checkpoint has no critic\)"):
            go_on(RunFolder(run.path), *options, "--iterations", 6)


@pytest.mark.parametrize(
    ("field", "value"), [("critic.detach", "true"), ("ppo.lam", 0.5), ("ppo.normalise", "none"), ("optimizer.critic_learning_rate", 0.1)]
)  # fmt: skip
def test_what_an_estimator_does_not_look_at_is_refused_by_name(tiny_model, tmp_path, field, value):
    run = train(tiny.run_config(tiny_model, tmp_path / "run", iterations=1, estimator="group:4"))
    with pytest.raises(CheckpointError, match=rf"{field} was .*\(estimator group:4 ignores it\)"):
        go_on(run, f"--{field}", value, "--iterations", 2)


def test_a_checkpoint_of_gdpo_with_a_critic_that_was_never_trained_goes_on(tiny_model, tmp_path):
    """As the version before wrote it: heads among the weights and the moments, no estimator in its settings or in config.yaml."""
    whole = train(
        tiny.run_config(tiny_model, tmp_path / "whole", iterations=3, method={"type": "gdpo", "responses": 4})
    )
    shutil.copytree(whole.path, tmp_path / "old")
    run = RunFolder(tmp_path / "old")
    shutil.rmtree(run.adapter)
    shutil.rmtree(run.checkpoints / "iteration_000003")
    place = run.checkpoints / "iteration_000002"
    weights, moments = (load_file(place / f"{name}.safetensors") for name in ("weights", "optimizer"))
    save_file(weights | {"heads.mlp.0.weight": torch.ones(16)}, place / "weights.safetensors")
    more = {f"{len(weights)}.{name}": torch.zeros(16) for name in ("exp_avg", "exp_avg_sq", "step")}
    save_file(moments | more, place / "optimizer.safetensors")
    state = json.loads((place / "state.json").read_text())
    state["settings"].pop("estimator")
    (place / "state.json").write_text(json.dumps(state))
    manifest.write(place)
    settings = yaml.safe_load((run.path / "config.yaml").read_text())
    settings.pop("estimator")
    (run.path / "config.yaml").write_text(yaml.safe_dump(settings | {"output": str(run.path)}, sort_keys=False))
    again = train(RunFolder(run.path).config, resume=True)
    assert_same(again, whole)


def test_what_a_start_that_failed_left_behind_is_not_trained_on(tiny_model, tmp_path):
    """An adapter that was merged, and constants, from before the configuration was corrected."""
    for name, scale in (("wrong", 0.3), ("right", 0.6)):
        tiny.save_adapter(tiny_model, tmp_path / name)
        weights = load_file(tmp_path / name / "adapter_model.safetensors")
        save_file({key: scale * value for key, value in weights.items()}, tmp_path / name / "adapter_model.safetensors")
    config = tiny.run_config(tmp_path / "wrong", tmp_path / "run", iterations=1)
    broken = {"helpful": {"type": "function", "function": f"{faults.same.__file__}:rows"}}
    with pytest.raises(RewardError):
        train(parse(RunConfig, config.dump() | {"rewards": config.dump()["rewards"] | broken}))
    assert (tmp_path / "run" / "base").is_dir()
    train(parse(RunConfig, override(config.dump(), ["--policy.model", str(tmp_path / "right")])))
    wanted = load_base(tiny.settings(tmp_path / "right"), torch.device("cpu")).state_dict()
    merged = load_file(tmp_path / "run" / "base" / "model.safetensors")
    assert all(torch.equal(value, wanted[name]) for name, value in merged.items())


def test_another_held_out_reward_of_one_name_is_measured_on_a_scale_of_its_own(unsharded, tmp_path):
    """Its constants are those of the responses that it scores, in an evaluation, the next one and after a resume."""
    (tmp_path / "mine.py").write_text(
        "def short(prompts, responses):\n    return [float(len(text)) for text in responses]\n\n\n"
        "def scaled(prompts, responses):\n    return [1000.0 * len(text) + 7 for text in responses]\n"
    )

    def held_out(name):
        return "--held_out_rewards", json.dumps(
            {"long": {"type": "function", "function": f"{tmp_path}/mine.py:{name}"}}
        )

    def reference():
        found = pd.read_parquet(unsharded.path / "evaluation.parquet").query(
            "policy == 'reference' and objective == 'long'"
        )
        return found["standardised"].to_numpy()

    evaluate(unsharded, changed(unsharded, *held_out("short")))
    constants = json.loads((unsharded.path / "standardisation.json").read_text())
    constants["long"] = {"mean": 3.0, "std": 2.0, "n": 9}  # as if it had been there when the run was calibrated
    (unsharded.path / "standardisation.json").write_text(json.dumps(constants))
    evaluate(unsharded, changed(unsharded, *held_out("short")))
    assert abs(reference().mean()) > 1
    evaluate(unsharded, changed(unsharded, *held_out("short")), checkpoint="newest")
    beside = evaluate(unsharded, changed(unsharded, *held_out("scaled")), checkpoint="newest")
    beside = beside.query("policy == 'reference' and objective == 'long'")["standardised"]
    for options in (held_out("scaled"), ()):
        evaluate(RunFolder(unsharded.path), changed(RunFolder(unsharded.path), *options))
        assert reference().mean() == pytest.approx(0, abs=1e-9) and reference().std(ddof=1) == pytest.approx(1)
        assert reference() == pytest.approx(beside.to_numpy())
    assert "long" not in json.loads((unsharded.path / "standardisation.json").read_text())
    assert "Constants of long are measured again" in (unsharded.path / "notes.log").read_text()
