"""What a plan says of sizes, strategies, time and cost, and how the command ends."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from safetensors.torch import load_file
from transformers import GPT2Config, LlamaConfig

import tiny
from lenity.cli.plan import command
from lenity.config.load import load
from lenity.config.sections import LoRA
from lenity.errors import ConfigError, ModelError
from lenity.planning import strategies
from lenity.planning.accelerators import ACCELERATORS, Assumptions
from lenity.planning.default import default
from lenity.planning.job import job_of
from lenity.planning.known import DECODERS
from lenity.planning.plan import plan
from lenity.planning.rates import seconds
from lenity.planning.shapes import Shape, shape_of
from lenity.planning.strategies import GIB, footprint
from lenity.runs.config import RunConfig

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LARGE, SMALL = "meta-llama/Llama-3.1-70B", "meta-llama/Llama-3.1-8B"
PUBLISHED = {
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "meta-llama/Llama-3.2-3B": 3_212_749_824,
    "meta-llama/Llama-3.1-8B": 8_030_261_248,
    "meta-llama/Llama-3.1-70B": 70_553_706_496,
    "mistralai/Mistral-7B-v0.3": 7_248_023_552,
    "Qwen/Qwen2.5-0.5B": 494_032_768,
    "Qwen/Qwen2.5-1.5B": 1_543_714_304,
    "Qwen/Qwen2.5-7B": 7_615_616_512,
}
H100, ASSUMED = ACCELERATORS["h100"], Assumptions()


def planned(model=SMALL, gpus=8, *overrides, tensor_parallel=1, **options):
    return plan(
        job_of(default(model, list(overrides)), gpus, **options),
        H100,
        ASSUMED,
        points=11,
        tensor_parallel=tensor_parallel,
    )


def run(*arguments):
    return CliRunner(env={"COLUMNS": "160"}).invoke(command, list(arguments), catch_exceptions=False)


@pytest.mark.parametrize(("model", "parameters"), PUBLISHED.items())
def test_sizes_of_known_models_are_those_that_are_published(model, parameters):
    assert shape_of(model).parameters == parameters


def test_adapters_of_a_model_are_counted_as_they_are_trained(tiny_model, tmp_path):
    from lenity.methods import train

    lora = LoRA(r=4, alpha=8, dropout=0)
    shape = shape_of(str(tiny_model))
    made = train(tiny.run_config(tiny_model, tmp_path / "run", iterations=1))
    adapters = sum(value.numel() for value in load_file(made.adapter / "adapter_model.safetensors").values())
    assert shape.adapter_parameters(lora) == adapters
    assert shape.parameters == sum(value.numel() for value in load_file(tiny_model / "model.safetensors").values())


def test_a_reward_model_of_a_local_folder_is_read_from_its_header(tiny_model):
    reward = f"{{type: model, model: '{tiny_model}', batch_size: 4}}"
    job = job_of(default(SMALL, ["--rewards.harmless", reward]), 8)
    weights = sum(value.numel() for value in load_file(tiny_model / "model.safetensors").values())
    assert (job.scorers[0].parameters, job.scorers[0].hidden, job.scorers[0].batch) == (weights, 16, 4)


def test_a_local_folder_needs_its_configuration_alone(tmp_path):
    known = Shape(*DECODERS[SMALL])
    LlamaConfig(
        vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8
    ).save_pretrained(tmp_path)  # fmt: skip
    assert shape_of(str(tmp_path)) == known


def test_what_is_not_known_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"the configuration of 'no/such' cannot be read.*one of: meta-llama"):
        shape_of("no/such")
    GPT2Config().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"has model_type gpt2, whose layers cannot be estimated"):
        shape_of(str(tmp_path))
    with pytest.raises(ModelError, match=r"names \['c_attn'\].*q_proj"):
        planned(SMALL, 8, "--policy.lora.target_modules", "[c_attn]")
    with pytest.raises(ModelError, match=r"rewards\.harmless: the size of 'some/reward' is not known"):
        planned(SMALL, 8, "--rewards.harmless", "{type: model, model: some/reward}")
    with pytest.raises(ConfigError, match=r"soups:exact does not train in the PPO loop"):
        planned(SMALL, 8, "--method", "soups")


def test_a_seventy_billion_model_on_sixteen_gpus():
    """Its weights, 131 GiB, fit on no GPU: sharding trains it, and an engine that splits it generates."""
    alone = {row.strategy: row for row in planned(LARGE, 16).rows}
    assert not any(row.fits or row.mini_batch for row in alone.values())
    assert alone["fsdp2"].splits == 4 and alone["ddp"].splits is alone["zero2"].splits is None
    split = {row.strategy: row for row in planned(LARGE, 16, "--ppo.mini_batch_size", "1", tensor_parallel=8).rows}
    assert split["fsdp2"].fits and not split["ddp"].fits
    weights = 2 * PUBLISHED[LARGE]
    assert split["fsdp2"].memory.resident["weights"] == weights / 16
    assert split["fsdp2"].memory.stages["generate"]["engine's weights"] == weights / 8
    assert split["ddp"].memory.resident["weights"] == weights


@pytest.mark.parametrize("gpus", [1, 4, 8])
def test_the_mini_batch_that_is_advised_fits_and_the_next_does_not(gpus):
    """In steps of the whole batch, a GPU's part of which is more than it can hold at once."""
    for row in planned(SMALL, gpus, "--ppo.accumulation", "8").rows:
        assert not row.fits and 0 < row.mini_batch < 16 <= row.recomputed
        for size, fits in ((row.mini_batch, True), (2 * row.mini_batch, False)):
            steps = "--ppo.mini_batch_size", str(size), "--ppo.accumulation", str(128 // size)
            again = planned(SMALL, gpus, *steps).rows
            assert next(r.fits for r in again if r.strategy == row.strategy) is fits


def test_a_step_is_shared_out_over_the_gpus():
    """32 rows a step: 16 in a pass of one GPU, 4 in that of each of eight, 2 at most of each of 24."""
    for gpus, rows in ((1, 16), (8, 4), (24, 2)):
        job = job_of(default(SMALL), gpus)
        assert (job.step, job.steps, min(job.mini, job.dealt)) == (32, 16, rows)
        held = footprint(job, "ddp", ASSUMED).stages["update"]["activations"]
        one = footprint(replace(job_of(default(SMALL), 1), mini=1), "ddp", ASSUMED).stages["update"]["activations"]
        assert held == pytest.approx(rows * one, rel=0.06)  # logits come on top where layers are fewer


def test_parts_add_up_and_shrink_where_they_should():
    job = job_of(default(SMALL), 8)
    ddp, fsdp, zero2 = (footprint(job, name, ASSUMED) for name in strategies.STRATEGIES)
    for held in (ddp, fsdp, zero2):
        parts = sum(held.resident.values()) + sum(held.stages[held.fullest].values())
        assert held.peak == pytest.approx(parts * 1.05 + 2 * GIB)
        assert held.resident["optimizer"] == 2 * held.resident["gradients"] == 8 * job.model.trained
    assert fsdp.resident["weights"] == zero2.resident["weights"] == ddp.resident["weights"] / 8
    for stage in ("generate", "update"):  # what zero2 gathers is the whole model
        assert zero2.stages[stage]["gathered weights"] == pytest.approx(ddp.resident["weights"] * 7 / 8)
    assert fsdp.stages["update"]["gathered weights"] < ddp.resident["weights"] / 4
    saved = footprint(replace(job, model=replace(job.model, gradient_checkpointing=True)), "ddp", ASSUMED)
    assert saved.stages["update"]["activations"] < ddp.stages["update"]["activations"] / 8
    critic = footprint(replace(job, model=replace(job.model, separate=True)), "ddp", ASSUMED)
    assert critic.stages["update"]["activations"] > 1.8 * ddp.stages["update"]["activations"]


def test_operations_are_those_of_every_product_in_turn():
    """A slow twin: one product after another, on one GPU whose peak is reached."""
    job = job_of(default(SMALL), 1)
    shape, tokens, answered = job.model.shape, job.prompt + job.response, job.response
    forward = backward = 0
    for _ in range(shape.layers):
        for inputs, outputs in shape.linears.values():
            low = inputs * 64 + 64 * outputs
            forward += 2 * tokens * (inputs * outputs + low)
            backward += 2 * tokens * (inputs * outputs + 2 * low)
        scores = 2 * shape.queries * tokens**2  # QKᵀ and its product with V, half of each masked
        forward, backward = forward + scores, backward + 2 * scores
    head = 2 * answered * shape.hidden * shape.vocabulary
    wanted = 4 * 128 * (forward + head + backward + head) / H100.flops
    exact = Assumptions(mfu=1.0)
    assert seconds(job, "ddp", H100, exact).update == pytest.approx(wanted, rel=1e-3)
    rewards = 2 * (2 * 774_031_360 + 66_955_010) * tokens
    advantages = 128 * (rewards + 2 * (forward + head)) / H100.flops
    assert seconds(job, "ddp", H100, exact).score == pytest.approx(advantages, rel=1e-3)


def test_decoding_is_bound_by_what_takes_longest():
    job = job_of(default(SMALL), 1)
    least = Assumptions(mfu=1.0, reach=1.0, layer_seconds=0.0)
    reading = 2 * PUBLISHED[SMALL] * 128 * 512 / H100.flops
    cache = 2 * 32 * 1024 * 2 * 128 * (512 + 64)
    adapters = 4 * job.model.shape.adapter_parameters(job.model.lora)
    step = (2 * PUBLISHED[SMALL] + adapters + cache) / H100.bandwidth
    assert seconds(job, "ddp", H100, least).generate == pytest.approx(reading + 128 * step)
    slow = least.model_copy(update={"layer_seconds": 1e-3})
    assert seconds(job, "ddp", H100, slow).generate == pytest.approx(reading + 128 * 32 * 1e-3)


def test_cost_is_hours_times_gpus_times_price():
    for gpus in (1, 8):
        for row in planned(SMALL, gpus).rows:
            assert row.hours == pytest.approx(100 * row.seconds.total / 3600)
            assert row.cost == pytest.approx(row.hours * gpus * 3.0)


def test_a_gradient_rule_costs_more():
    plain = planned(SMALL, 8).rows[0].seconds
    last, every = (
        planned(SMALL, 8, "--method", f"{{type: mgda, parameters: {at}}}").rows[0].seconds
        for at in ("last_layer", "all")
    )
    assert plain.update < last.update < every.update and plain.score == every.score


def test_the_command_plans_the_papers_configuration_and_loads_nothing():
    code = (
        "import sys; from lenity.cli.plan import command;"
        f"command(['{CONFIGS / 'paper_hh_8b.yaml'}', '--gpus', '8', '--json'], standalone_mode=False);"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    data = json.loads(found.stdout)
    job = job_of(load(RunConfig, CONFIGS / "paper_hh_8b.yaml"), 8)
    made = plan(job, H100, ASSUMED, points=11)
    assert [row["peak"] for row in data["strategies"]] == [row.memory.peak for row in made.rows]
    assert data["job"]["model"]["parameters"] == PUBLISHED[SMALL]
    assert data["strategies"][0]["sweep_cost"] == pytest.approx(11 * data["strategies"][0]["cost"])


def test_the_command_says_what_to_change():
    shown = run("--model", SMALL, "--gpus", "8").output
    assert "8 × h100" in shown and "fsdp2" in shown and "run of 100 iterations" in shown and "fits with" not in shown
    shown = " ".join(run("--model", SMALL).output.split())
    assert "fits with --ppo.mini_batch_size 8 --ppo.accumulation 4" in shown
    assert "or with --policy.gradient_checkpointing true." in shown
    again = run(str(CONFIGS / "paper_hh_8b.yaml"), "--gpus", "8", "--ppo.mini_batch_size", "8").output
    assert again.count("yes") == 3 and "fits with" not in again
    assert "are not measured" in again and "$3 per hour" in again
    cheap = run(
        "--model",
        SMALL,
        "--gpu",
        "a100",
        "--price",
        "1.5",
        "--gpu-memory",
        "39",
        "--policy.gradient_checkpointing",
        "true",
    ).output
    assert "$1.5 per hour" in cheap and "fits into 39" in cheap


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "neither CONFIG nor --model is given"),
        (["--gpus", "2"], "neither CONFIG nor --model is given"),
        (["--model", SMALL, "--gpu", "abacus"], "--gpu is 'abacus'"),
        (["--model", SMALL, "--gpus", "4", "--tensor-parallel", "3"], "does not divide"),
        (["--model", SMALL, "--ppo.epoch", "2"], "unknown field"),
        (["no.yaml"], "not found"),
    ],
)
def test_what_cannot_be_planned_is_told(arguments, what):
    with pytest.raises(ConfigError, match=what):
        run(*arguments)
