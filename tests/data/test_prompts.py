"""From rows to prompts: form, length windows, sub-sampling, and what is said of the dropped rows."""

from __future__ import annotations

import json

import pytest

from lenity.data.base import ASSISTANT, HUMAN
from lenity.data.beavertails import BeaverTails
from lenity.data.columns import Columns
from lenity.data.hh_rlhf import HHRLHF
from lenity.data.prompts import load_prompts
from lenity.errors import DataError


def words(texts):
    return [len(text.split()) for text in texts]


@pytest.fixture
def hub_folder(tmp_path):
    """hh-rlhf's layout: a sub-folder a part, a file a split."""
    for part, count in (("harmless-base", 6), ("helpful-base", 3)):
        (tmp_path / part).mkdir()
        rows = [{"chosen": f"{HUMAN} {part} {'very ' * i}long{ASSISTANT} yes", "rejected": "x"} for i in range(count)]
        rows += [{"chosen": "no dialogue", "rejected": "x"}, rows[0]]
        (tmp_path / part / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_hh_rlhf_by_sub_folder(hub_folder):
    prompts, report = load_prompts(HHRLHF(dataset=str(hub_folder), subset="harmless-base"), {})
    assert len(prompts) == 6 and all(p.startswith(HUMAN) and p.endswith(ASSISTANT) for p in prompts)
    assert (report.read, report.kept) == (8, 6)
    assert report.dropped == {"not from 'Human:' to 'Assistant:'": 1, "repeated": 1}


def test_hh_rlhf_whole(hub_folder):
    prompts, _ = load_prompts(HHRLHF(dataset=str(hub_folder)), {})
    assert len(prompts) == 9


def test_length_windows_of_every_counter(hub_folder):
    source = HHRLHF(dataset=str(hub_folder), subset="harmless-base", min_tokens=5, max_tokens=7)
    prompts, report = load_prompts(
        source, {"the policy": words, "harmless": lambda texts: [n + 1 for n in words(texts)]}
    )
    assert words(prompts) == [5, 6]
    assert report.dropped["longer than 7 tokens of the policy"] == 2
    assert report.dropped["longer than 7 tokens of harmless"] == 1
    assert report.dropped["shorter than 5 tokens of the policy"] == 1


def test_the_limit_takes_even_steps_and_is_the_same_each_time(hub_folder):
    source = HHRLHF(dataset=str(hub_folder), subset="harmless-base", limit=3)
    first, second = (load_prompts(source, {})[0] for _ in range(2))
    assert first == second and words(first) == [4, 6, 8]


def test_nothing_left_is_an_error_that_says_why(hub_folder):
    with pytest.raises(DataError, match=r"no prompt is left.*6 longer than 1 tokens of the policy"):
        load_prompts(HHRLHF(dataset=str(hub_folder), subset="harmless-base", max_tokens=1), {"the policy": words})


def test_bare_questions_are_wrapped(tmp_path):
    (tmp_path / "q.jsonl").write_text('{"question": "Why?"}\n{"question": " "}\n')
    prompts, report = load_prompts(Columns(dataset=str(tmp_path / "q.jsonl"), prompt="question"), {})
    assert prompts == [f"{HUMAN} Why?{ASSISTANT}"] and report.dropped == {"without text": 1}


def test_beavertails_layout(tmp_path):
    folder = tmp_path / "round0" / "30k"
    folder.mkdir(parents=True)
    row = {"prompt": "Why?", "response": "So.", "category": {}, "is_safe": True}
    (tmp_path / "30k_train.jsonl").write_text((json.dumps(row) + "\n") * 2)
    with pytest.raises(DataError, match="30k_test"):
        BeaverTails(dataset=str(tmp_path), split="30k_test").read()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dataset": "./no/such/folder"}, "not found"),
        ({"subset": "helpful-online"}, "Its sub-folders are: harmless-base, helpful-base"),
        ({"split": "validation"}, "split 'validation'"),
        ({"column": "prefered"}, r"its columns are \['chosen', 'rejected'\]"),
    ],
)
def test_wrong_places_are_explained(hub_folder, fields, message):
    with pytest.raises(DataError, match=message):
        HHRLHF(**{"dataset": str(hub_folder), "subset": "harmless-base"} | fields).read()


def test_real_conversations(shared):
    source = HHRLHF(dataset=str(shared / "data" / "hh-rlhf"), subset="harmless-base", split="test", limit=50)
    prompts, report = load_prompts(source, {})
    assert len(prompts) == 50 and report.read == 700
    assert all(p.startswith(HUMAN) and p.endswith(ASSISTANT) for p in prompts)
