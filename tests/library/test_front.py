"""The front of a sweep: made by ``lenity.sweep`` in this process, and read from runs with made-up scores."""

from __future__ import annotations

import pandas as pd
import pytest

import lenity
import made_up
from lenity.library.sweeps import _words
from library.small import trainer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two methods at three weightings; plc gains more."""
    root = tmp_path_factory.mktemp("sweep")
    for method, gain in (("plc", 1.0), ("linear", 0.5)):
        for share in (0.0, 0.5, 1.0):
            weights = {"helpful": share, "harmless": 1 - share}
            shift = {"helpful": gain * share, "harmless": gain * (1 - share)}
            made_up.write_run(root / "runs" / method / str(share), method, weights, shift)
    return root


def test_a_sweep_in_this_process(tiny_model, tmp_path):
    made = trainer(tiny_model, tmp_path / "run", args={"iterations": 1})
    front = lenity.sweep(made, points=2, methods=["plc", "linear"])
    assert front.path == tmp_path / "run_sweep" and not (tmp_path / "run").exists()
    assert len(front.runs) == 4 and all(run.finished for run in front.runs)
    assert front.table()["method"].tolist() == ["reference policy", "plc", "plc", "linear", "linear"]
    assert front.runs[0].evaluate()["objective"].tolist() == ["polite", "harmless"]  # with the trainer's function
    again = lenity.sweep(made, points=2, methods=["plc", "linear"])
    assert again.table().equals(front.table())


def test_a_run_that_fails_is_named_with_the_arguments(tiny_model, tmp_path):
    def fails(prompts, completions):
        raise ValueError("out of order")

    made = trainer(tiny_model, tmp_path / "run", reward_funcs={"polite": fails, "harmless": fails})
    with pytest.raises(lenity.LenityError, match=r"reward_funcs\['polite'\] is not a finite number"):
        lenity.sweep(made, points=2)


def test_the_table_has_a_row_per_policy_with_intervals(folder):
    table = lenity.load_front(folder).table()
    assert list(table.columns) == [
        "method", "weight/helpful", "weight/harmless", "seeds", "helpful", "helpful_low", "helpful_high", "harmless", "harmless_low", "harmless_high",
    ]  # fmt: skip
    assert len(table) == 7 and table["method"][0] == "reference policy"
    assert (table["helpful_low"] <= table["helpful"]).all() and (table["helpful"] <= table["helpful_high"]).all()
    frame = pd.read_parquet(folder / "runs" / "plc" / "1.0" / "evaluation.parquet")
    own = frame[(frame["policy"] == "aligned") & (frame["objective"] == "helpful")]["raw"].mean()
    found = table[(table["method"] == "plc") & (table["weight/helpful"] == 1.0)]["helpful"].item()
    assert found == pytest.approx(own)


def test_the_hypervolume_of_each_method(folder):
    found = lenity.load_front(folder).hypervolume()
    assert (
        set(found.index) == {"plc", "linear"} and found.loc["plc", "hypervolume"] > found.loc["linear", "hypervolume"]
    )
    assert (found["low"] <= found["hypervolume"]).all() and (found["hypervolume"] <= found["high"]).all()


def test_pick_is_the_best_that_keeps_to_the_constraints(folder):
    front = lenity.load_front(folder)
    table = front.table()[1:]
    free = front.pick(maximise="helpful")
    assert free.scores["helpful"].value == pytest.approx(table["helpful"].max()) and free.weights["helpful"] == 1.0
    bound = float(table["harmless"].median())
    held = front.pick(f"harmless >= {bound}", maximise="helpful")
    fitting = table[table["harmless"] >= bound - 1e-12]
    assert held.scores["helpful"].value == pytest.approx(fitting["helpful"].max())
    assert held.run.path.is_dir() and "Pick(" in repr(held) and held.scores["harmless"].value >= bound
    assert front.pick("harmless >= -100 and helpful > -100", "helpful<100", maximise="harmless").certain


@pytest.mark.parametrize(
    ("constraints", "maximise", "told"),
    [
        (
            ["harmless >= 99"],
            "helpful",
            r"none of the 6 runs has harmless >= 99; the best means are helpful .*, harmless",
        ),
        (["harmles >= 0"], "helpful", r"the constraint 'harmles >= 0' names 'harmles'. Did you mean 'harmless'\?"),
        (["harmless"], "helpful", r"the constraint 'harmless' cannot be read. Write it as 'harmless >= 0.2'."),
        (["harmless >= much"], "helpful", "cannot be read"),
        (["harmless >= 1.2.3"], "helpful", "cannot be read"),
        ([3], "helpful", "the constraint '3' cannot be read"),
        ([["harmless >= 0"]], "helpful", "cannot be read"),
        ([], "helpfull", r"maximise names 'helpfull'. Did you mean 'helpful'\?"),
    ],
)
def test_what_pick_refuses(folder, constraints, maximise, told):
    with pytest.raises(lenity.LenityError, match=told):
        lenity.load_front(folder).pick(*constraints, maximise=maximise)


def test_the_picture_is_an_svg_with_every_method(folder, tmp_path):
    picture = lenity.load_front(folder).plot()
    labels = {text.get_text() for text in picture.figure.axes[0].get_legend().get_texts()}
    assert labels == {"before", "plc", "linear"} and picture._repr_svg_().lstrip().startswith("<?xml")
    assert picture.save(tmp_path / "front.png").stat().st_size > 1000
    for wrong in ("front.xyz", "no/such/folder/front.svg"):
        with pytest.raises(lenity.LenityError, match=f"path is '.*{wrong}', where the picture cannot be saved"):
            picture.save(tmp_path / wrong)


def test_the_report_is_written(folder):
    assert lenity.load_front(folder).report() == folder / "report.html" and (folder / "report.html").is_file()


@pytest.mark.parametrize(
    ("points", "objectives", "wanted"),
    [(11, 2, ["lattice:10"]), (2, 2, ["lattice:1"]), (1, 3, ["centre"]), (10, 3, ["lattice:3"]), (3, 3, ["lattice:1"]), (7, 3, ["riesz:7"]),
     (5, 1, ["centre"]), ("corners", 2, "corners"), (None, 2, None)],
)  # fmt: skip
def test_a_number_of_points(points, objectives, wanted):
    assert _words(points, [str(k) for k in range(objectives)]) == wanted
