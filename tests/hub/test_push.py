"""What reaches a hub, and how refusals are told; huggingface_hub's real client against a hub on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from huggingface_hub import HfApi, ModelCard

import hub_server
import tiny
from lenity.cli.push import command
from lenity.errors import CheckpointError, HubError
from lenity.evaluation import table
from lenity.evaluation.score import evaluate
from lenity.hub import push_to_hub
from lenity.hub.contents import contents, names_for
from lenity.methods import train
from lenity.runs.folder import RunFolder

BASE = "someone/base"
FILES = {"README.md", "adapter_config.json", "adapter_model.safetensors", "lenity_config.yaml", "lenity_protocol.yaml"}


@pytest.fixture(scope="module")
def finished(tiny_model, tmp_path_factory):
    """A run on a local base model, and its held-out rows."""
    folder = tmp_path_factory.mktemp("runs")
    run = train(tiny.run_config(tiny_model, folder / "mine", iterations=1))
    return run, evaluate(run)


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # the plain protocol, over HTTP
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with hub_server.hub() as server:
        yield server


def api(hub, token=hub_server.TOKEN):
    return HfApi(endpoint=hub.url, token=token)


def pushed(hub, repo="me/mine", branch="main"):
    return hub.files[repo][branch]


def test_an_adapter_arrives_whole_with_its_card_and_settings(finished, hub):
    run, frame = finished
    address = push_to_hub(run.path, "me/mine", base_model=BASE, private=True, license="apache-2.0", api=api(hub))
    assert address == f"{hub.url}/me/mine/commit/{'c' * 40}" and hub.private == {"me/mine": "private"}
    files = pushed(hub)
    assert set(files) == FILES
    assert files["adapter_model.safetensors"] == (run.adapter / "adapter_model.safetensors").read_bytes()
    settings = json.loads(files["adapter_config.json"])
    before = json.loads((run.adapter / "adapter_config.json").read_text())
    assert settings == before | {"base_model_name_or_path": BASE}
    card = ModelCard(files["README.md"].decode())
    data = card.data.to_dict()
    assert (data["library_name"], data["base_model"], data["license"]) == ("peft", BASE, "apache-2.0")
    for change, result in zip(table.changes(frame), card.data.eval_results, strict=True):
        assert result.metric_name == f"{change.objective}, mean raw score" and result.dataset_type == "toy"
        assert result.metric_value == pytest.approx(change.after.value, abs=1e-6)
        assert result.metric_args["interval_95"] == pytest.approx([change.after.low, change.after.high], abs=1e-6)
        assert f"| {change.objective} | {change.before} | {change.after} | {change.difference} |" in card.text
    assert "over 12 prompts" in card.text and f'"{BASE}"' in card.text and "from a local folder" in card.text
    kept = yaml.safe_load(files["lenity_config.yaml"])
    assert kept["weights"] == run.config.weights and kept["policy"]["model"] == BASE and "output" not in kept


def test_nothing_of_this_machine_is_in_it(finished, hub, tiny_model):
    run, frame = finished
    push_to_hub(run, "me/mine", base_model=BASE, api=api(hub))
    here = [str(run.path), str(run.path.parent), str(tiny_model), str(Path.home()), str(Path(tiny.__file__).parent)]
    texts = [*frame["prompt"], *frame["response"]]
    for name, content in pushed(hub).items():
        assert not [place for place in here if place.encode() in content], name
        if name != "README.md":
            assert not [text for text in texts if len(text) > 8 and text.encode() in content], name
        assert hub_server.TOKEN.encode() not in content


def test_a_branch_is_made_and_the_others_stay(finished, hub):
    push_to_hub(finished[0], "mine", base_model=BASE, api=api(hub))
    push_to_hub(finished[0], "me/mine", base_model=BASE, revision="v2", api=api(hub))
    assert set(pushed(hub)) == set(pushed(hub, branch="v2")) and "/api/models/me/mine/branch/v2" in hub.asked


def test_a_run_that_was_not_evaluated_says_so(finished, hub, tmp_path):
    run = RunFolder(shutil.copytree(finished[0].path, tmp_path / "run"))
    os.utime(run.adapter / "adapter_model.safetensors")  # the evaluation is of another adapter
    push_to_hub(run, "me/mine", base_model=BASE, api=api(hub))
    card = pushed(hub)["README.md"].decode()
    assert set(pushed(hub)) == FILES - {"lenity_protocol.yaml"}
    assert "was not evaluated" in card and "model-index" not in card


def test_a_local_base_needs_a_name(finished, hub):
    with pytest.raises(HubError, match=r"a folder of this machine.*--base-model NAME.*--merge"):
        push_to_hub(finished[0], "me/mine", api=api(hub))
    with pytest.raises(HubError, match=r"is no hub name"):
        push_to_hub(finished[0], "me/mine", base_model="./base", api=api(hub))
    assert hub.asked == []


def test_a_base_of_the_hub_is_recorded_by_its_name(finished, tmp_path):
    run = RunFolder(shutil.copytree(finished[0].path, tmp_path / "run"))
    file = run.adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": BASE, "revision": "v1"}))
    names = names_for(run, "me/mine", None, merge=False, license=None)
    assert (names.base, names.copied) == (BASE, False)
    with contents(run, names) as files:
        assert json.loads(files["adapter_config.json"])["revision"] == "v1"
        assert "local copy" not in files["README.md"].decode()


def test_a_run_that_is_not_finished_is_refused(finished, hub, tmp_path):
    run = RunFolder(shutil.copytree(finished[0].path, tmp_path / "run"))
    (run.path / "README.md").unlink()
    with pytest.raises(CheckpointError, match=r"is not finished.*--resume"):
        push_to_hub(run, "me/mine", base_model=BASE, api=api(hub))
    with pytest.raises(CheckpointError, match=r"no config\.yaml"):
        push_to_hub(tmp_path, "me/mine", api=api(hub))
    assert hub.asked == []


def test_a_key_in_the_settings_is_refused_unread(finished, hub, tmp_path):
    run = RunFolder(shutil.copytree(finished[0].path, tmp_path / "run"))
    settings = yaml.safe_load((run.path / "config.yaml").read_text())
    settings["rollout"]["stop"] = [hub_server.TOKEN]
    (run.path / "config.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(HubError, match=r"something like a key") as error:
        push_to_hub(run, "me/mine", base_model=BASE, api=api(hub))
    assert hub_server.TOKEN not in str(error.value) and hub.files == {}


@pytest.mark.parametrize(
    ("token", "what", "remedy"),
    [("hf_unknown", "rejects the token", "hf auth login"), (hub_server.READ_ONLY, "has no write access to 'me/mine'", "Use a token that has")],
)  # fmt: skip
def test_a_refused_token_is_told_and_never_shown(finished, hub, token, what, remedy):
    with pytest.raises(HubError) as error:
        push_to_hub(finished[0], "me/mine", base_model=BASE, api=api(hub, token))
    assert what in error.value.what and remedy in error.value.remedy and token not in str(error.value)
    assert hub.files == {}


def test_without_a_token_nothing_is_asked(finished, hub, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(HubError, match=r"no token.*HF_TOKEN"):
        push_to_hub(finished[0], "me/mine", base_model=BASE, api=api(hub, None))
    assert hub.asked == []


def test_a_dead_endpoint_is_told(finished, hub):
    hub.shutdown()
    hub.server_close()
    with pytest.raises(HubError, match=r"127\.0\.0\.1 cannot be reached \(ConnectError.*HF_ENDPOINT"):
        push_to_hub(finished[0], "me/mine", base_model=BASE, api=api(hub))


@pytest.mark.parametrize("repo", ["a/b/c", "me/mine!", "-mine", "me/" + "m" * 97])
def test_a_wrong_name_is_refused_before_anything_is_sent(finished, hub, repo):
    with pytest.raises(HubError, match=r"is no valid name of a repository.*Write owner/name"):
        push_to_hub(finished[0], repo, base_model=BASE, api=api(hub))
    assert hub.asked == []


def test_a_dry_run_shows_files_and_card(finished):
    shown = CliRunner().invoke(
        command, [str(finished[0].path), "me/mine", "--base-model", BASE, "--dry-run"], catch_exceptions=False
    )
    assert all(f"bytes  {name}" in shown.output for name in FILES)
    assert "# mine" in shown.output and "## Results on held-out prompts" in shown.output


def test_the_command_pushes_or_ends_with_two_lines(finished, hub, tmp_path):
    run = str(finished[0].path)

    def lenity(*arguments):
        settings = {
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": hub_server.TOKEN,
            "HF_HOME": str(tmp_path),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
        }
        return subprocess.run(
            [sys.executable, "-m", "lenity", "push", *arguments], check=False, capture_output=True, text=True, timeout=120,
            env=os.environ | settings,
        )  # fmt: skip

    done = lenity(run, "me/mine", "--base-model", BASE)
    assert (done.returncode, done.stdout.strip()) == (0, f"{hub.url}/me/mine/commit/{'c' * 40}"), done.stderr
    assert set(pushed(hub)) == FILES and hub_server.TOKEN not in done.stdout + done.stderr
    failed = lenity(run, "me/mine")
    assert failed.returncode == 2 and [line.split(":")[0] for line in failed.stderr.splitlines()] == ["error", "remedy"]
