"""train -> resume -> evaluate through the real command line, and what a user does with the result."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest
import torch
import yaml
from safetensors.torch import load_file

import tiny
from lenity.runs.folder import RunFolder


def lenity(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "lenity", *map(str, arguments)], check=False, cwd=cwd, capture_output=True, text=True, timeout=300
    )  # fmt: skip


def write(folder, model, name="run", **changes):
    config = tiny.run_config(model, folder / name, **changes)
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(config.dump(), sort_keys=False))
    return file


@pytest.fixture(scope="module")
def finished(tiny_model, tmp_path_factory):
    """A straight run of three iterations, and one of two that was then resumed to three."""
    folder = tmp_path_factory.mktemp("runs")
    straight = lenity("train", write(folder, tiny_model), cwd=folder)
    assert straight.returncode == 0, straight.stderr
    cut = RunFolder(folder / "resumed")
    command = ("train", write(folder, tiny_model, "resumed"))
    assert lenity(*command, cwd=folder).returncode == 0
    rows = cut.metrics()
    import shutil

    shutil.rmtree(cut.adapter)  # as if the process had been killed in the third iteration
    shutil.rmtree(cut.checkpoints / "iteration_000003")
    again = lenity(*command, "--resume", cwd=folder)
    assert again.returncode == 0, again.stderr
    return folder, rows


def test_a_resumed_run_is_the_straight_run(finished):
    folder, _ = finished
    straight, resumed = (RunFolder(folder / name) for name in ("run", "resumed"))
    timing = {"seconds", "tokens_per_second"}
    rows = [[{k: v for k, v in row.items() if k not in timing} for row in run.metrics()] for run in (straight, resumed)]
    assert [row["iteration"] for row in rows[1]] == [1, 2, 3]
    assert rows[0] == rows[1]
    weights = [load_file(run.adapter / "adapter_model.safetensors") for run in (straight, resumed)]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)


def test_the_folder_is_complete(finished):
    run = RunFolder(finished[0] / "run")
    row = run.metrics()[-1]
    assert (
        set(row["reward"])
        == set(row["objective_scale_mean"])
        == set(row["explained_variance"])
        == {"helpful", "harmless"}
    )
    assert {
        "kl",
        "entropy",
        "conflict_rate",
        "surplus",
        "clip_fraction",
        "truncated_fraction",
        "skipped_mini_batches",
    } <= set(row)
    assert set(row["seconds"]) == {"generate", "score", "advantages", "update"}
    assert run.finished and (run.path / "README.md").read_text().startswith("---\nlibrary_name: peft")
    assert len((run.path / "samples.jsonl").read_text().splitlines()) == 3 * 4
    assert set(json.loads((run.path / "standardisation.json").read_text())) == {"helpful", "harmless"}


def test_plain_peft_loads_the_adapter(finished, tiny_model):
    """The adapter changes the log-probs as it did in the trainer, without any of our code."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    run = RunFolder(finished[0] / "run")
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), run.adapter).eval()
    module, tokenizer = tiny.actor_critic(tiny_model, 2, randomised=False)
    module.load_state_dict(load_file(run.checkpoints / "iteration_000003" / "weights.safetensors"), strict=False)
    batch = tiny.rollouts(tokenizer, lengths=(4,))
    with torch.no_grad():
        ours = module(**batch.inputs).logprobs
        reference = module(**batch.inputs, reference=True).logprobs
        ids = torch.cat([batch.prompt_ids, batch.response_ids], 1)
        logits = plain(input_ids=ids).logits[:, batch.prompt_ids.shape[1] - 1 : -1]
    theirs = logits.log_softmax(-1).gather(-1, batch.response_ids[..., None])[..., 0]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert (ours - reference).abs().max() > 1e-3


def test_two_processes(tiny_model, tmp_path):
    """One command, two processes: each answers half of the prompts, and they agree on the weights."""
    import os

    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        "-m",
        "lenity",
        "train",
    ]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
    found = subprocess.run(
        [*launch, write(tmp_path, tiny_model)], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=90, env=environment
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    run = RunFolder(tmp_path / "run")
    assert run.finished and [row["iteration"] for row in run.metrics()] == [1, 2, 3]
    assert run.metrics()[0]["kl"] == pytest.approx(0, abs=1e-6) and run.metrics()[2]["kl"] != 0


@pytest.mark.parametrize(("processes", "cleaned"), [("1", True), ("2", False)])
def test_one_of_several_processes_leaves_past_the_clean_up_and_keeps_what_it_printed(processes, cleaned):
    import os

    code = "import atexit, sys; atexit.register(print, 'cleaned up'); sys.argv = ['lenity', 'methods']; from lenity.cli.main import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=os.environ | {"WORLD_SIZE": processes}
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert "morlhf" in found.stdout and ("cleaned up" in found.stdout) is cleaned


def test_what_to_type_next_can_be_pasted(tiny_model, tmp_path):
    """Also where folders have spaces and quotes in their names."""
    folder = tmp_path / "my 'best' runs"
    folder.mkdir()
    file = write(folder, tiny_model, "run one", iterations=1)
    found = lenity("train", file, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    following = shlex.split(found.stdout.split("Next: ")[1])
    assert following == ["lenity", "evaluate", str(folder / "run one")]
    card = (folder / "run one" / "README.md").read_text()
    assert shlex.split(card.split("intervals, run `")[1].split("`")[0]) == following
    found = lenity("evaluate", folder, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert shlex.split(found.stdout.split("Next: ")[1]) == ["lenity", "report", str(folder)]
    (folder / "run one" / "adapter" / "adapter_config.json").unlink()
    found = lenity("push", folder / "run one", "me/it", "--dry-run", cwd=tmp_path)
    told = shlex.split(found.stderr.split("Finish it with `")[1].split("`")[0])
    assert found.returncode == 2 and told == ["lenity", "train", str(folder / "run one" / "config.yaml"), "--resume"]


def test_evaluate(finished):
    folder, _ = finished
    found = lenity("evaluate", folder / "run", "--evaluation.limit", "10", cwd=folder)
    assert found.returncode == 0, found.stderr
    assert "10 prompts" in found.stdout and "harmless" in found.stdout
    assert (folder / "run" / "evaluation.parquet").is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--ppo.epoch", "2"], "Did you mean 'epochs'"),
        (["--weights", "{helpful: 0.5, harmless: 0.6}"], "sum to 1.1, not 1"),
        (["--weights", "{helpful: 0.5, humorous: 0.5}"], "needs one weight and one reward of the same name"),
        (["--ppo.clip", "wide"], "ppo.clip: found 'wide'"),
        (["--policy.model", "./no/such"], "does not exist"),
        (["--prompts.max_tokens", "2"], "no prompt is left"),
        (["--rewards.helpful", "{type: function, function: 'math:nan'}"], "has no function 'nan'"),
        (["--method.type", "plcc"], "Did you mean 'plc'"),
        (["--standardisation.file", "nowhere.json"], "'nowhere.json' not found"),
    ],
)
def test_bad_input_is_explained_without_a_traceback(tiny_model, tmp_path, changes, message):
    found = lenity("train", write(tmp_path, tiny_model), *changes, cwd=tmp_path)
    assert found.returncode == 2
    assert message in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr
