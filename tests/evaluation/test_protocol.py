"""What makes results comparable: hashes, refusals, and the evaluation of a finished sweep through the command line."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
from click.testing import CliRunner

import tiny
from lenity.cli.evaluate import command
from lenity.errors import CheckpointError, ConfigError, ProtocolError, RewardError
from lenity.evaluation import protocol, rows, score
from lenity.evaluation.folder import evaluate_all
from lenity.evaluation.protocol import Prompts, Protocol, Reference, check_same
from lenity.methods import train
from lenity.rewards.function import FunctionSpec
from lenity.rewards.reward_model import RewardModelSpec
from lenity.runs.fingerprint import fingerprint, reward_identity
from lenity.runs.folder import RunFolder
from lenity.sweep import tasks
from lenity.toy.rewards import ToyRewardSpec

MADE = Protocol(
    prompts=Prompts(count=2, sha256="a"), decoding={"top_p": 0.9, "stop": ["x"]}, rewards={"r": {"type": "toy"}},
    standardisation={"r": {"mean": 0.1, "std": 1.0}}, weights=[{"r": 1.0}], seeds=[0],
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tiny_model, tmp_path_factory):
    """Two finished runs that share their constants."""
    folder = tmp_path_factory.mktemp("sweep")
    for name, weights in (("first", {"helpful": 1.0, "harmless": 0.0}), ("second", {"helpful": 0.0, "harmless": 1.0})):
        constants = (
            {"file": str(folder / "runs" / "first" / "standardisation.json")} if name == "second" else {"prompts": 32}
        )
        output = folder / "runs" / name
        train(tiny.run_config(tiny_model, output, iterations=1, weights=weights, standardisation=constants))
    return folder


@pytest.fixture
def sweep(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "sweep")


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_hash_is_of_contents_and_not_of_the_place(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
        (tmp_path / name / "notes.md").write_text(name)
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")
    (tmp_path / "two" / "model.safetensors").write_bytes(b"weightz")
    assert fingerprint(tmp_path / "one") != fingerprint(tmp_path / "two")


def test_a_reward_is_known_by_its_settings_and_its_files(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text("def f(prompts, responses): ...")
    one, two = (reward_identity(FunctionSpec(function=f"{tmp_path / name}.py:f")) for name in ("one", "two"))
    assert one["kind"] == "function" and one["function"].startswith("sha256:") and one["function"].endswith(":f")
    assert one == two


def test_a_word_is_not_taken_for_the_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "helpful").mkdir()
    assert reward_identity(ToyRewardSpec(preference="helpful"))["preference"] == "helpful"


def test_a_model_of_the_hub_is_known_by_its_commit(tiny_model, tmp_path, monkeypatch):
    """A cache with one commit of one model stands in for the hub."""
    commit, place = "5" * 40, tmp_path / "models--someone--some-reward"
    shutil.copytree(tiny_model, place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    found = reward_identity(RewardModelSpec(model="someone/some-reward"))
    assert (found["model"], found["commit"]) == ("someone/some-reward", commit)
    with pytest.raises(RewardError, match="cannot load reward model 'someone/none'"):
        reward_identity(RewardModelSpec(model="someone/none"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompts": Prompts(count=2, sha256="b")}, "prompts.sha256: 'a' and 'b'"),
        ({"decoding": {"top_p": 1.0, "stop": ["x"]}}, "decoding.top_p: 0.9 and 1.0"),
        ({"rewards": {"r": {"type": "toy"}, "s": {}}}, "rewards.s: None and {}"),
        ({"standardisation": {"r": {"mean": 0.2, "std": 1.0}}}, "standardisation.r.mean: 0.1 and 0.2"),
    ],
)
def test_the_field_that_differs_is_named(change, message):
    with pytest.raises(ProtocolError, match=f"here and there differ in {message}"):
        check_same(MADE, MADE.model_copy(update=change), ("here", "there"))


def test_other_weights_and_seeds_stay_comparable():
    check_same(MADE, MADE.model_copy(update={"weights": [], "seeds": [7]}), ("here", "there"))


def test_a_protocol_is_read_back_as_it_was_written(tmp_path):
    MADE.save(tmp_path)
    assert protocol.load(tmp_path) == MADE == protocol.load(tmp_path / "protocol.yaml")


def test_a_sweep_is_evaluated_into_one_table_under_one_protocol(sweep):
    result = run(sweep)
    assert result.exit_code == 0 and "2 runs on 12 prompts" in result.output
    frame, found = pd.read_parquet(sweep / "evaluation.parquet"), protocol.load(sweep)
    assert len(frame) == 2 * 2 * 2 * 12, "runs, policies, objectives, prompts"
    assert len(found.weights) == 2 and found.seeds == [0] and set(found.reference.point) == {"helpful", "harmless"}
    start = frame[(frame["policy"] == "reference") & (frame["objective"] == "helpful")]["standardised"].mean()
    assert found.reference.point["helpful"] == pytest.approx(start - 1)


@pytest.fixture
def answers(monkeypatch):
    """Counts the calls in which a policy answers the held-out prompts."""
    calls = []

    def counted(*arguments, **options):
        calls.append(arguments)
        return rows.generate(*arguments, **options)

    monkeypatch.setattr(score, "generate", counted)
    return calls


def test_greedy_decoding_is_another_protocol_and_the_runs_keep_it(sweep, answers):
    run(sweep)
    assert len(answers) == 3, "the reference policy's are shared"
    assert run(sweep, "--evaluation.temperature", "0").exit_code == 0
    assert len(answers) == 6 and protocol.load(sweep).decoding["temperature"] == 0
    start = pd.read_parquet(sweep / "evaluation.parquet").query("policy == 'reference' and objective == 'helpful'")
    assert protocol.load(sweep).reference.point["helpful"] == pytest.approx(start["standardised"].mean() - 1)
    assert run(sweep).exit_code == 0 and len(answers) == 6
    frame = pd.read_parquet(sweep / "runs" / "first" / "evaluation.parquet")
    again = pd.read_parquet(sweep / "runs" / "second" / "evaluation.parquet")
    of = [part[part["policy"] == "reference"]["response"].tolist() for part in (frame, again)]
    assert of[0] == of[1]


def test_a_sweep_half_of_which_was_measured_anew_goes_on(sweep, answers, monkeypatch):
    run(sweep)
    old = (sweep / "protocol.yaml").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(score, "_aligned_rows", interrupted_in("second", score._aligned_rows))
        with pytest.raises(RuntimeError, match="killed"):
            run(sweep, "--evaluation.temperature", "0")
    assert (sweep / "protocol.yaml").read_bytes() == old and len(answers) == 5
    with pytest.raises(ProtocolError, match=r"first differ in decoding.temperature: 1.0 and 0"):
        run(sweep)
    assert len(answers) == 5
    assert run(sweep, "--evaluation.temperature", "0").exit_code == 0
    assert len(answers) == 6 and protocol.load(sweep).decoding["temperature"] == 0


def interrupted_in(name, function):
    def interrupted(run, *arguments, **options):
        if run.path.name == name:
            raise RuntimeError("killed")
        return function(run, *arguments, **options)

    return interrupted


def test_what_a_protocol_does_not_allow_is_refused_before_anything_is_generated(sweep, answers):
    run(sweep)
    shutil.copy(sweep / "protocol.yaml", sweep.parent / "frozen.yaml")
    before = {file: file.read_bytes() for file in sweep.rglob("*") if file.is_file()}
    reward = f"{{type: function, function: '{tiny.__file__}:helpful'}}"
    for change, field in (
        (("--evaluation.limit", "5"), "prompts.count: 12 and 5"),
        (("--evaluation.temperature", "0"), "decoding.temperature: 1.0 and 0"),
        (("--held_out_rewards.longer", reward), "rewards.longer: None and"),
    ):
        with pytest.raises(ProtocolError, match=f"frozen.yaml and this evaluation differ in {field}"):
            run(sweep, "--protocol", sweep.parent / "frozen.yaml", *change)
    assert len(answers) == 3 and before == {file: file.read_bytes() for file in sweep.rglob("*") if file.is_file()}


def test_a_sweep_is_not_trained_in_another_way_than_its_protocol_says(sweep, answers):
    run(sweep)
    config = RunFolder(sweep / "runs" / "first").config
    greedy = config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"temperature": 0.0})})
    shutil.copy(sweep / "runs" / "first" / "standardisation.json", sweep)
    tasks.prepare(config.dump(), str(sweep))
    with pytest.raises(ProtocolError, match=r"protocol.yaml and this evaluation differ in decoding.temperature"):
        tasks.prepare(greedy.dump(), str(sweep))
    assert len(answers) == 3


def test_a_folder_is_measured_in_the_way_of_another(sweep, tmp_path):
    """Decoding, constants and reference point are the other's, and stay when it is measured again."""
    other = shutil.copytree(sweep, tmp_path / "other")
    (other / "runs" / "first" / "standardisation.json").write_text(CONSTANTS)
    (other / "runs" / "second" / "standardisation.json").write_text(CONSTANTS)
    ways = {"top_p": 0.5, "max_new_tokens": 5, "min_new_tokens": 2, "stop": ["dog"], "seed": 3, "limit": 7}
    run(other, *(part for name, value in ways.items() for part in (f"--evaluation.{name}", value)))
    run(sweep)
    file = other / "protocol.yaml"
    changed = file.read_text().replace("rule: fixed", "rule: nadir")
    file.write_text(changed)
    assert run(sweep, "--protocol", file).exit_code == 0
    ours, theirs = protocol.load(sweep), protocol.load(file)
    assert ours == theirs and ours.standardisation["helpful"] == {"mean": 1.5, "std": 2.0}
    assert run(sweep).exit_code == 0 and protocol.load(sweep) == theirs
    frames = [pd.read_parquet(folder / "evaluation.parquet") for folder in (sweep, other)]
    pd.testing.assert_frame_equal(*frames)


CONSTANTS = json.dumps({name: {"mean": 1.5, "std": 2.0, "n": 8} for name in ("helpful", "harmless")})


def test_reference_points_that_differ_are_refused():
    one, two = (MADE.model_copy(update={"reference": Reference(point={"r": value})}) for value in (-1.0, -2.0))
    with pytest.raises(ProtocolError, match=r"differ in reference.point.r: -1.0 and -2.0"):
        check_same(one, two, ("here", "there"))
    check_same(one, MADE, ("here", "there"))


def test_a_run_alone_has_its_reference_point(sweep):
    run(sweep / "runs" / "first")
    assert set(protocol.load(sweep / "runs" / "first").reference.point) == {"helpful", "harmless"}


def test_a_held_out_reward_can_come_after_training(sweep):
    reward = f"{{type: function, function: '{tiny.__file__}:helpful', measures: helpful}}"
    run(sweep / "runs" / "first", "--held_out_rewards.longer", reward)
    frame = pd.read_parquet(sweep / "runs" / "first" / "evaluation.parquet")
    longer = frame[(frame["objective"] == "longer") & (frame["policy"] == "reference")]
    assert longer["held_out"].all() and longer["standardised"].mean() == pytest.approx(0, abs=1e-9)
    assert RunFolder(sweep / "runs" / "first").config.held_out_rewards["longer"].measures == "helpful"


def test_changed_rewards_and_prompts_are_measured_again(sweep, tmp_path):
    """The reward's code and the prompts' file keep their names."""
    code, prompts = tmp_path / "reward.py", tmp_path / "prompts.jsonl"
    code.write_text("def f(prompts, responses): return [float(len(text)) for text in responses]")
    texts = [json.dumps({"prompt": f"Tell me {i} things"}) + "\n" for i in range(6)]
    prompts.write_text("".join(texts[:4]))
    first = RunFolder(sweep / "runs" / "first")
    changes = ("--held_out_rewards.more", f"{{type: function, function: '{code}:f'}}", "--held_out_prompts")
    run(first.path, *changes, f"{{type: columns, dataset: {prompts}}}")
    before = pd.read_parquet(first.path / "evaluation.parquet")
    code.write_text("def f(prompts, responses): return [-float(len(text)) for text in responses]")
    run(first.path)
    after = pd.read_parquet(first.path / "evaluation.parquet")
    assert (after["raw"] == before["raw"].where(before["objective"] != "more", -before["raw"])).all()
    prompts.write_text("".join(texts))
    run(first.path)
    assert pd.read_parquet(first.path / "evaluation.parquet")["prompt_id"].nunique() == 6


def test_what_was_trained_cannot_be_changed(sweep):
    with pytest.raises(ConfigError, match="--seed cannot be changed after training"):
        run(sweep, "--seed", "3")
    with pytest.raises(CheckpointError, match="holds no finished run"):
        evaluate_all(sweep / "runs" / "first" / "adapter")


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        ({"x": {"measures": "helpfull"}}, "held_out_rewards.x.measures is 'helpfull'"),
        ({"x": {"measures": "helpful"}, "y": {"measures": "helpful"}}, "x and y both measure 'helpful'"),
    ],
)
def test_a_held_out_reward_measures_one_known_objective(held_out, message, tmp_path):
    rewards = {name: {"type": "function", "function": "m:f"} | fields for name, fields in held_out.items()}
    with pytest.raises(ConfigError, match=message):
        tiny.run_config("m", tmp_path, held_out_rewards=rewards)
