"""A label changed after evaluation is the name in the rows at the next evaluation, and nothing is generated for it."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

import tiny
from lenity.cli.evaluate import _changed
from lenity.evaluation import score
from lenity.evaluation.measurement import Measurement
from lenity.methods import train
from lenity.runs.folder import RunFolder


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_changed_label_needs_no_new_responses(tiny_model, tmp_path, monkeypatch, by_hand):
    run = train(tiny.run_config(tiny_model, tmp_path / "run", iterations=1))
    before = score.evaluate(run)
    monkeypatch.setattr(score, "generate", lambda *_, **__: pytest.fail("something was generated"))
    if by_hand:
        file = run.path / "config.yaml"
        data = yaml.safe_load(file.read_text())
        data["method"]["label"] = "other"
        file.write_text(yaml.safe_dump(data, sort_keys=False))
        score.evaluate(RunFolder(run.path))
    else:
        score.evaluate(run, _changed(run.config, ["--method.label", "other"], None))
    after = pd.read_parquet(run.path / "evaluation.parquet")
    assert set(before["method"]) == {"plc"} and set(after["method"]) == {"other"}
    rest = [name for name in before if name != "method"]
    assert list(after) == list(before) and after[rest].to_json() == before[rest].to_json()
    assert RunFolder(run.path).config.method.label == "other"


def test_the_rows_of_a_run_made_from_others_do_not_depend_on_its_label(tmp_path):
    """A run whose rows depend on its method's settings."""
    keys = []
    for label in (None, "other"):
        method = {"type": "soups", "solo": {}, "label": label}
        config = tiny.run_config("m", tmp_path / "run", method=method)
        standardiser = type("Standardiser", (), {"means": {}, "stds": {}})()
        keys.append(Measurement.of(config).key(standardiser, score._prompted(config.method, config.weights)))
    assert keys[0] == keys[1]
