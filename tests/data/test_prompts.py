"""From rows to prompts: form, length windows, sub-sampling, and what is said of the dropped rows."""

from __future__ import annotations

import gzip
import json
import logging

import pytest

from lenity.data.beavertails import BeaverTails
from lenity.data.columns import Columns
from lenity.data.hh_rlhf import HHRLHF
from lenity.data.human_assistant import ASSISTANT, HUMAN, wrap
from lenity.data.loading import load_columns
from lenity.data.prompts import load_prompts
from lenity.errors import DataError


def words(prompts):
    return [len(prompt.text.split()) for prompt in prompts]


def texts_of(prompts):
    return [prompt.text for prompt in prompts]


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
    assert len(prompts) == 6 and all(p.startswith(HUMAN) and p.endswith(ASSISTANT) for p in texts_of(prompts))
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
    (tmp_path / "q.jsonl").write_text('{"question": "Why?"}\n{"question": " "}\n{"question": "\\u200b\\ufeff "}\n')
    prompts, report = load_prompts(Columns(dataset=str(tmp_path / "q.jsonl"), prompt="question"), {})
    assert texts_of(prompts) == [f"{HUMAN} Why?{ASSISTANT}"] and report.dropped == {"without text": 2}


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
    assert all(p.startswith(HUMAN) and p.endswith(ASSISTANT) for p in texts_of(prompts))


PROMPT = f"{HUMAN} Hi{ASSISTANT}"


@pytest.mark.parametrize(
    "text",
    [
        "Hi", " Hi\n", PROMPT, PROMPT[1:], PROMPT[2:], f"{PROMPT} ", f"{PROMPT}\n\n", f"  {PROMPT}\t", f"\ufeff{PROMPT}", f"\n{PROMPT}",
        PROMPT.replace("\n", "\r\n"), PROMPT.replace("\n", "\r"), f"\ufeff{PROMPT[2:]}\r\n", "Human: Hi\nAssistant:",
        "Human: Hi\n \n\nAssistant:\u3000", "\n\nHuman: Hi", "Human: Hi", f"Hi{ASSISTANT}", f"\u00a0{PROMPT}", f"\u200b{PROMPT}",
        f"{PROMPT}\u200b", f"\u200e{PROMPT[2:]}\u2060 ", "\n\u200b\nHuman: Hi\n\u200b\nAssistant:", f"{PROMPT} Hello", f"{PROMPT[2:]} Hello\n",
    ],
)  # fmt: skip
def test_a_prompt_is_wrapped_once_whatever_white_space_is_around_it(text):
    assert wrap(text) == PROMPT


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Who wrote 'Human: Hi'?", f"{HUMAN} Who wrote 'Human: Hi'?{ASSISTANT}"),
        ("an Assistant:", f"{HUMAN} an Assistant:{ASSISTANT}"),
        ("a\r\nb", f"{HUMAN} a\r\nb{ASSISTANT}"),
        (f"{HUMAN} a\r\nb{ASSISTANT}", f"{HUMAN} a\r\nb{ASSISTANT}"),
        (f"Human: a{ASSISTANT} b{HUMAN} c{ASSISTANT}\n", f"{HUMAN} a{ASSISTANT} b{HUMAN} c{ASSISTANT}"),
        (f"Human: a{ASSISTANT} b{HUMAN} c", f"{HUMAN} a{ASSISTANT} b{HUMAN} c{ASSISTANT}"),
        (
            "a \U0001f468\u200d\U0001f469\u200b b\u00a0c",
            f"{HUMAN} a \U0001f468\u200d\U0001f469\u200b b\u00a0c{ASSISTANT}",
        ),
    ],
)
def test_what_is_within_a_prompt_stays(text, wanted):
    assert wrap(text) == wanted


def test_transcripts_with_other_line_ends_are_dialogues(tmp_path):
    whole = f"{HUMAN} a{ASSISTANT} b{HUMAN} c{ASSISTANT} d\n"
    texts = [whole, whole[2:], f" \n{whole[2:]}", whole.replace("\n", "\r\n"), "\ufeff" + whole]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps({"chosen": text}) + "\n" for text in texts))
    prompts, report = HHRLHF(dataset=str(tmp_path)).texts()
    assert prompts == [f"{HUMAN} a{ASSISTANT} b{HUMAN} c{ASSISTANT}"] * 5 and not report.dropped


CELLS = [
    "NA",
    "null",
    "None",
    "nan",
    "N/A",
    "#N/A",
    "-inf",
    "007",
    "1e5",
    "1.50",
    "true",
    '"a, ""b""\nand c"',
    "=1",
    "caf\u00e9",
]


@pytest.mark.parametrize("name", ["q.csv", "q.tsv", "q.csv.gz", "q.tsv.gz", "csv/train.csv", "tsv/train.tsv"])
def test_a_cell_is_text_as_it_is_written(tmp_path, name):
    separator = "\t" if ".tsv" in name else ","
    lines = ["prompt,label,other".replace(",", separator)]
    lines += [separator.join([cell, str(i % 2), "" if i % 3 else "1"]) for i, cell in enumerate(["", " ", *CELLS])]
    data = "".join(line + "\n" for line in lines).encode("utf-8-sig")
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    place = str(file if "/" not in name else file.parent)
    rows, report = load_columns(place, ["prompt", "label"], text=["prompt"])
    assert [row["prompt"] for row in rows] == [*CELLS[:-3], 'a, "b"\nand c', *CELLS[-2:]]
    assert [row["label"] for row in rows] == [i % 2 for i in range(len(CELLS))]
    assert report.dropped == {"without text": 2}, "the empty cell and the blank one"


@pytest.mark.parametrize("end", ["\n", ",\n"], ids=["as the header", "a separator at each end"])
def test_the_first_cell_of_a_row_is_the_first_column_s(tmp_path, end):
    (tmp_path / "q.csv").write_text("prompt,label\n" + end.join(["Hi,1", "NA,0", ""]))
    rows, _ = load_columns(str(tmp_path / "q.csv"), ["prompt", "label"], text=["prompt"])
    assert rows == [{"prompt": "Hi", "label": 1}, {"prompt": "NA", "label": 0}]


@pytest.mark.parametrize("name", ["q.csv", "q.tsv", "csv/train.csv"])
@pytest.mark.parametrize(
    "rows", [["Hello, you", "Yes, no"], ["Hello, you", "Yes"], ["Yes", "Hello, you"], ["Hello, you", ","]]
)
def test_a_cell_that_is_cut_at_a_separator_is_refused(tmp_path, name, rows):
    """pandas would take the beginning for the row's name, and only the rest for the text."""
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    text = "".join(line + "\n" for line in ["prompt", *rows])
    file.write_text(text.replace(",", "\t") if ".tsv" in name else text)
    with pytest.raises(DataError, match=r"(more cells than the header|Expected 1 fields in line 3).*double quotes"):
        load_columns(str(file if "/" not in name else file.parent), ["prompt"])


def test_the_error_of_a_file_is_all_that_is_said(tmp_path):
    """Not by the library's log too, whose level stays."""
    (tmp_path / "q.csv").write_text("prompt\nYes\nHello, you\n")
    log, records = logging.getLogger("datasets"), []
    handler = logging.Handler()
    handler.emit, level = records.append, log.level
    log.addHandler(handler)
    try:
        with pytest.raises(DataError):
            load_columns(str(tmp_path / "q.csv"), ["prompt"])
    finally:
        log.removeHandler(handler)
    assert records == [] and log.level == level
