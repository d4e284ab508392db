"""What a report is asked for, refuses, or leaves out, before anything is drawn."""

import json
import shutil

import pytest
from click.testing import CliRunner

import tiny
from lenity.cli.report import command
from lenity.errors import CheckpointError, ProtocolError
from lenity.evaluation.protocol import Prompts, Protocol
from lenity.pareto.metrics import hypervolume
from lenity.report.collect import View, read_best, read_runs
from lenity.report.comparison import compare
from lenity.report.evidence import gather
from lenity.toy import known_front
from lenity.toy.front import exact_front
from lenity.toy.scores import PREFERENCES
from made_up import write_sweep

MADE = Protocol(prompts=Prompts(count=30, sha256="x"), decoding={"top_p": 0.9}, rewards={}, standardisation={})


def test_the_protocol_of_the_folder_must_be_that_of_its_runs(sweep):
    for file in sweep.rglob("config.yaml"):
        MADE.save(file.parent)
    MADE.save(sweep)
    assert gather(sweep).protocol == MADE
    MADE.model_copy(update={"decoding": {"top_p": 1.0}}).save(sweep)
    with pytest.raises(ProtocolError, match=r"protocol.yaml and .*a.*protocol.yaml differ in decoding.top_p: 1.0 and"):
        gather(sweep)


def test_a_run_that_is_there_twice_is_refused(sweep):
    shutil.copytree(sweep / "runs" / "plc" / "a1", sweep / "runs" / "plc" / "a1_seed0")
    with pytest.raises(CheckpointError, match=r"a1' and '.*a1_seed0' are both plc · a1 with seed 0. Move one"):
        gather(sweep)


def test_the_exact_best_is_that_at_the_weights_compared(tmp_path):
    """The runs of the sweep are at three weights; one method lacks the middle, so the comparison has two."""
    names = ("helpful", "harmless")
    points = [dict(zip(names, pair, strict=True)) for pair in ((1.0, 0.0), (0.4, 0.6), (0.0, 1.0))]
    write_sweep(tmp_path, names, points, {"plc": 0.5, "linear": 0.4}, held_out=False)
    shutil.rmtree(tmp_path / "runs" / "plc" / "helpful0.4_harmless0.6_seed0")
    exact = {name: {"type": "toy", "preference": name} for name in PREFERENCES}
    held_out = {"humorous": exact.pop("humorous")}
    known_front.write(
        tmp_path, [tiny.run_config("m", "out", weights=p, rewards=exact, held_out_rewards=held_out) for p in points]
    )
    view = View("trained rewards", {name: name for name in names})
    found = compare(read_runs(tmp_path), view, read_best(tmp_path), reference=[-1.0, -1.0], draws=10)
    assert found.weights == [points[2], points[0]]
    optima = exact_front([[1, 0, 0], [0, 1, 0]])[:, :2] / 0.5  # the constants of the made-up runs
    assert found.best == pytest.approx(hypervolume(optima, [-1.0, -1.0]))
    assert found.best < hypervolume(read_best(tmp_path).at_weights[:, :2] / 0.5, [-1.0, -1.0])


def test_a_known_front_without_its_weights_is_refused(sweep):
    (sweep / "best_front.json").write_text(json.dumps({"objectives": [], "at_weights": [], "front": []}))
    with pytest.raises(CheckpointError, match=r"has no field weights.*Write it again"):
        gather(sweep)


def test_formats_of_figures_may_have_spaces_after_their_commas(sweep, monkeypatch):
    asked = []
    monkeypatch.setattr("lenity.report.figures.save_all", lambda evidence, folder, formats: asked.append(formats) or [])
    CliRunner().invoke(command, [str(sweep), "--figures", "png, pdf"], catch_exceptions=False)
    assert asked == [("png", "pdf")]
