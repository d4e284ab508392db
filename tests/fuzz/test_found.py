"""What fuzzing found, and its like."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import tiny
from fuzz.configs import BOMB
from fuzz.transcripts import served
from lenity.config.load import override, parse, read_yaml
from lenity.config.stages import Labels, SFTConfig, Transcripts
from lenity.data import loading
from lenity.data.preferences import load_labels, load_transcripts
from lenity.errors import CheckpointError, ConfigError, DataError
from lenity.judge.cache import Answer, Cache
from lenity.judge.config import JudgeConfig
from lenity.judge.reply import read
from lenity.pareto.weights import points
from lenity.runs.config import RunConfig
from lenity.storage.manifest import check, write
from lenity.sweep.config import load_sweep


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (BOMB, "expands"), ("a: &a [*a]", "nests"), ("a: " + "[" * 600, "nests"), ("a: " + "[" * 40 + "]" * 40, "nests"),
        ("a: 2001-99-99", "month"), ("a: !!timestamp x", "does not fit"), ("a: !!bool x", "does not fit"), ("a: !!python/name:os.system", "python/name"),
        (f"a: {'9' * 5000}", "digits"), (f"a: 0x{'f' * 5000}", "20000 bits; at most 63"), ('a: "\\ud800"', "not valid UTF-8"), ("a: \0", "special characters"),
    ],
)  # fmt: skip
def test_yaml_that_is_no_configuration(tmp_path, text, word):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"(?s)x\.yaml.*{word}") as caught:
        read_yaml(tmp_path / "x.yaml")
    assert len(str(caught.value)) < 1000


def test_yaml_tags_run_nothing(tmp_path):
    (tmp_path / "x.yaml").write_text(f"a: !!python/object/apply:os.mkdir [{tmp_path / 'made'}]")
    with pytest.raises(ConfigError, match="could not determine a constructor"):
        read_yaml(tmp_path / "x.yaml")
    assert not (tmp_path / "made").exists()


def test_a_file_name_that_is_too_long_is_not_found():
    with pytest.raises(ConfigError, match="not found"):
        read_yaml("a" * 5000)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"weights": {"harmless": 1e308, "helpful": 1e308}}, "sum to inf"),
        ({"preset": ["paper"]}, "preset"),
        ({"method": "gapo:²"}, "method.power"),
        ({"seed": 2**64}, "seed is an integer of 65 bits; at most 63 are allowed"),
        ({"zzz": "y" * 10**6}, "unknown field"),
        ({"\ud800": 1}, "not valid UTF-8"),
        ({"output": "a\x85b"}, "output is .*line break"),
    ],
)
def test_values_that_no_run_has(tmp_path, change, word):
    with pytest.raises(ConfigError, match=word) as caught:
        parse(RunConfig, tiny.run_config("m", tmp_path).dump() | change)
    assert len(str(caught.value).encode()) < 2000


def test_other_values_that_were_let_in():
    with pytest.raises(ConfigError, match="seed"):
        parse(SFTConfig, {"output": "x", "model": "m", "data": {"dataset": "d"}, "seed": 2**32})
    with pytest.raises(ConfigError, match=r"extra\.day.*JSON"):
        parse(JudgeConfig, override({"endpoint": "http://x", "model": "m"}, ["--extra.day", "2001-01-01"]))


@pytest.mark.parametrize("settings", [{"methods": 5}, {"run": [1]}, {"points": 3}, {1: 2}])
def test_a_sweep_of_the_wrong_kind(tmp_path, settings):
    run = tiny.run_config("m", "unused").dump()
    (tmp_path / "sweep.yaml").write_text(json.dumps({"run": run} | settings))
    with pytest.raises(ConfigError):
        load_sweep(tmp_path / "sweep.yaml", ["--seed", "1"])


@pytest.mark.parametrize("word", ["lattice:1000000", "riesz:999999", "lattice:²", f"lattice:{'9' * 5000}"])
def test_points_without_number(word):
    with pytest.raises(ConfigError, match="points"):
        points(["a", "b", "c"], [word])


def test_half_a_character_in_a_file_of_rows(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes('{"text": "a"}\n{"text": "\ud800"}\n'.encode(errors="surrogatepass"))
    with pytest.raises(DataError, match="1 with half of a surrogate pair"):
        load_transcripts(Transcripts(dataset=str(tmp_path / "rows.jsonl")))


def test_a_label_as_long_as_a_book(monkeypatch):
    monkeypatch.setattr(loading, "_rows", served([{"chosen": "x", "label": ["y" * 10**6]}]))
    with pytest.raises(DataError, match="labels are 0 or 1") as caught:
        load_labels(Labels(dataset="x", text="chosen"))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("usage", [{"prompt_tokens": 2**63}, {"prompt_tokens": -1}])
def test_a_reply_that_cannot_be_kept_as_it_is(usage):
    found = read(json.dumps({"choices": [{"message": {"content": "7\ud800"}}], "usage": usage}))
    assert found == ("7?", None, None)
    with Cache(Path(), write=False) as cache:
        cache.put("key", Answer(*found))


def test_a_reply_without_end_is_none():
    assert read("[" * 100_000) is None


@pytest.mark.parametrize("change", ["linked file", "linked folder", "pipe"])
def test_what_stands_in_the_place_of_a_file(tmp_path, change):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_bytes(b"1")
    write(folder)
    check(folder)
    if change == "linked folder":
        (folder / "b").symlink_to(tmp_path)
    elif change == "linked file":
        (folder / "a").rename(tmp_path / "a")
        (folder / "a").symlink_to(tmp_path / "a")
    else:
        (folder / "a").unlink()
        os.mkfifo(folder / "a")
    with pytest.raises(CheckpointError):
        check(folder)
