"""Pairs, labels and transcripts."""

from __future__ import annotations

import json

import pytest

from lenity.config.stages import Labels, Pairs, Transcripts
from lenity.data.preferences import Labelled, Pair, load_labels, load_pairs, load_transcripts
from lenity.errors import DataError

PROMPT = "\n\nHuman: Hi\n\nAssistant:"


def write(folder, rows):
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def test_pairs_are_cut_at_their_shared_prompt(tmp_path):
    rows = [
        {"chosen": f"{PROMPT} Hello", "rejected": f"{PROMPT} Heave"},
        {"chosen": f"{PROMPT} A\n\nHuman: B\n\nAssistant: C", "rejected": f"{PROMPT} A\n\nHuman: B\n\nAssistant: D"},
        {"chosen": f"{PROMPT} same", "rejected": f"{PROMPT} same"},
        {"chosen": "\n\nHuman: one\n\nAssistant: x", "rejected": "\n\nHuman: two\n\nAssistant: x"},
    ]
    pairs, report = load_pairs(Pairs(dataset=write(tmp_path, rows)))
    assert pairs == [
        Pair(PROMPT, " Hello", " Heave"),
        Pair(f"{PROMPT} A\n\nHuman: B\n\nAssistant:", " C", " D"),
    ]
    assert report.dropped == {"chosen equals rejected": 1, "without a shared prompt": 1}


def test_labels(tmp_path):
    rows = [{"text": "bare", "label": 1}, {"text": f"{PROMPT} Hello", "label": 0}]
    items, _ = load_labels(Labels(dataset=write(tmp_path, rows)))
    assert items == [Labelled("", "bare", 1), Labelled(PROMPT, " Hello", 0)]


def test_other_classes_are_refused(tmp_path):
    with pytest.raises(DataError, match="labels are 0 or 1"):
        load_labels(Labels(dataset=write(tmp_path, [{"text": "x", "label": 2}])))


def test_transcripts_without_an_answer_are_dropped_and_counted(tmp_path):
    texts, report = load_transcripts(Transcripts(dataset=write(tmp_path, [{"text": f"{PROMPT} A"}, {"text": "none"}])))
    assert texts == [f"{PROMPT} A"] and "without an assistant turn" in str(report)


def test_dialogues_with_other_line_ends_have_the_form(tmp_path):
    first, second = (f"{PROMPT} {word}".replace("\n", "\r\n") for word in ("Hello", "Heave"))
    pairs, _ = load_pairs(Pairs(dataset=write(tmp_path, [{"chosen": first, "rejected": second[4:]}])))
    assert pairs == [Pair(PROMPT, " Hello", " Heave")]
    texts, _ = load_transcripts(Transcripts(dataset=write(tmp_path, [{"text": first}, {"text": f"{PROMPT[2:]} A"}])))
    assert texts == [f"{PROMPT} Hello", f"{PROMPT} A"]
    rows = [{"text": f"\ufeff{PROMPT} Hello", "label": 0}, {"text": "Human: all too human", "label": 1}]
    items, _ = load_labels(Labels(dataset=write(tmp_path, rows)))
    assert items == [Labelled(PROMPT, " Hello", 0), Labelled("", "Human: all too human", 1)]


def test_real_pairs(shared):
    source = Pairs(dataset=str(shared / "data" / "hh-rlhf"), subset=["harmless-base", "harmless-first-turn"])
    pairs, report = load_pairs(source)
    assert report.read == 1200 + 4422 and len(pairs) == report.kept > 5000


def test_columns_of_some_subsets_alone_are_none_in_the_others(tmp_path):
    for subset, more in (("first", {}), ("second", {"answer": 4})):
        (tmp_path / subset).mkdir()
        row = {"chosen": "\n\nHuman: Hi\n\nAssistant: Yes", "rejected": "\n\nHuman: Hi\n\nAssistant: No", **more}
        (tmp_path / subset / "train.jsonl").write_text(json.dumps(row) + "\n")
    pairs, _ = load_pairs(Pairs(dataset=str(tmp_path), subset=["first", "second"]), columns=True)
    assert [pair.columns for pair in pairs] == [{"answer": None}, {"answer": 4}]
