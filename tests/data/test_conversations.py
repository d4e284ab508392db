"""Prompts as conversations: read from text and written back to the byte, with the columns and the id of their rows."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

import lenity
from lenity.config.sections import Rollout
from lenity.data.base import PromptSource, ReadReport
from lenity.data.columns import Columns
from lenity.data.conversation import Conversation, Message
from lenity.data.hh_rlhf import HHRLHF
from lenity.data.human_assistant import HUMAN_ASSISTANT, parse, wrap
from lenity.data.prompts import find_prompts, load_prompts
from lenity.data.templates import TEMPLATES
from lenity.errors import DataError

PIECES = [
    "\n\nHuman:",
    "\n\nAssistant:",
    "\n\n",
    "Human:",
    "Assistant:",
    " ",
    "  ",
    "Hi",
    "\u200b",
    "\r\n",
    "\ud800",
    "",
]
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join)


def turns_of(prompt):
    """(tag, text) of each turn and what is before them, one character after the other."""
    found, tag, said = [], "", ""
    while prompt:
        start = next((t for t in ("\n\nHuman:", "\n\nAssistant:") if prompt.startswith(t)), "")
        if start:
            found.append((tag, said))
            tag, said, prompt = start, "", prompt[len(start) :]
        else:
            said, prompt = said + prompt[0], prompt[1:]
    return [*found, (tag, said)]


@given(texts)
def test_any_text_comes_back_to_the_byte(text):
    assert HUMAN_ASSISTANT.prompt(parse(text)) == text
    assert HUMAN_ASSISTANT.transcript(parse(text), " Yes.") == text + " Yes."


@given(texts)
def test_what_the_readers_give_are_turns_that_a_slow_twin_finds_too(text):
    prompt = wrap(text)
    found = parse(prompt)
    (tag, before), *turns = turns_of(prompt)
    assert (tag, before) == ("", "") and turns.pop() == ("\n\nAssistant:", "")
    said = [(message.role, message.content) for message in found.messages]
    names = {"\n\nHuman:": "user", "\n\nAssistant:": "assistant"}
    assert said == [(names[tag], text[1:] if text[:1] == " " else text) for tag, text in turns]
    rebuilt = "".join(
        f"\n\n{'Human' if role == 'user' else 'Assistant'}:{' ' if words else ''}{words}" for role, words in said
    )
    assert (found.verbatim is None) is (rebuilt + "\n\nAssistant:" == prompt), (
        "only what it would write otherwise is kept"
    )


def test_a_conversation_is_written_with_its_system_message_first():
    messages = (
        Message("system", "Be brief."),
        Message("user", "Hi"),
        Message("assistant", "Hello"),
        Message("user", "Why?"),
    )
    text = "Be brief.\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant:"
    assert HUMAN_ASSISTANT.prompt(Conversation(messages)) == text and parse(text).messages == messages
    with pytest.raises(DataError, match="role 'tool'"):
        HUMAN_ASSISTANT.prompt(Conversation((Message("tool", "4"),)))


def test_the_template_has_its_name():
    assert list(TEMPLATES) == ["human_assistant"] and TEMPLATES["human_assistant"]() == HUMAN_ASSISTANT


@pytest.mark.parametrize("split", ["train", "test"])
def test_real_conversations_are_cut_as_ever(shared, split):
    """Of every row: its text up to the last turn of the assistant's, cut with ``str.rpartition`` alone."""
    folder = shared / "data" / "hh-rlhf"
    with gzip.open(folder / "harmless-base" / f"{split}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    wanted = []
    for row in rows:
        before, tag, _ = row["chosen"].rpartition("\n\nAssistant:")
        wanted.append(before + tag)
    assert all(text.startswith("\n\nHuman:") for text in wanted)
    found, _ = HHRLHF(dataset=str(folder), subset="harmless-base", split=split).conversations()
    assert [HUMAN_ASSISTANT.prompt(one) for one in found] == wanted
    assert [one.columns for one in found] == [{"rejected": row["rejected"]} for row in rows]
    assert [one.messages[-1].role for one in found].count("user") > 0.99 * len(found)
    prompts, _ = load_prompts(HHRLHF(dataset=str(folder), subset="harmless-base", split=split), {})
    assert [prompt.text for prompt in prompts] == list(dict.fromkeys(wanted))


ROWS = [
    {"prompt": "What is 1 + 1?", "answer": "2", "level": 1, "tags": ["sum"]},
    {"prompt": "What is 2 + 2?", "answer": "4", "level": None, "tags": []},
    {"prompt": "What is 3 + 3?", "level": 2, "tags": ["sum", "hard"], "more": {"a": 1}},
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_the_other_columns_go_with_a_prompt_and_are_none_where_a_row_lacks_them(file):
    prompts, _ = load_prompts(Columns(dataset=str(file)), {})
    assert [prompt.text for prompt in prompts] == [f"\n\nHuman: {row['prompt']}\n\nAssistant:" for row in ROWS]
    names = ["answer", "level", "tags", "more"]
    assert [prompt.conversation.columns for prompt in prompts] == [
        {name: row.get(name) for name in names} for row in ROWS
    ]


def test_columns_are_restricted_by_name(file):
    found, _ = Columns(dataset=str(file), columns=["level", "prompt"]).conversations()
    assert [one.columns for one in found] == [{"level": row["level"], "prompt": row["prompt"]} for row in ROWS]
    assert [one.columns for one in Columns(dataset=str(file), columns=[]).conversations()[0]] == [{}, {}, {}]
    with pytest.raises(
        DataError, match=r"no column \['levle'\]; its columns are \['prompt', 'answer', 'level', 'tags', 'more'\]"
    ):
        Columns(dataset=str(file), columns=["levle"]).conversations()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_of_other_kinds_have_columns_too(tmp_path, kind):
    import pandas as pd

    path = tmp_path / f"q.{kind}"
    frame = pd.DataFrame({"answer": ["a", None], "prompt": ["One?", "Two?"], "level": [1, 2]})
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    found, _ = Columns(dataset=str(path)).conversations()
    assert [one.columns for one in found] == [{"answer": "a", "level": 1}, {"answer": None, "level": 2}]


def test_a_prompt_has_the_rows_own_id_or_one_of_its_text_whatever_else_is_read(tmp_path, file):
    text = "\n\nHuman: What is 3 + 3?\n\nAssistant:"
    own = hashlib.sha256(text.encode()).hexdigest()[:12]
    for source in (
        Columns(dataset=str(file)),
        Columns(dataset=str(file), limit=2),
        Columns(dataset=str(file), columns=[]),
    ):
        ids = {prompt.text: prompt.conversation.id for prompt in load_prompts(source, {})[0]}
        assert ids.get(text, own) == own and len(set(ids.values())) == len(ids)
    rows = [{"id": 7, "prompt": "One?"}, {"id": "b", "prompt": "Two?"}, {"id": None, "prompt": "Three?"}]
    (tmp_path / "ids.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for columns in (None, []):
        found, _ = Columns(dataset=str(tmp_path / "ids.jsonl"), columns=columns).conversations()
        assert [one.id for one in found][:2] == ["7", "b"] and len(found[2].id) == 12


def test_of_repeated_prompts_the_first_rows_columns_count_also_when_they_are_found_again(tmp_path):
    rows = [{"prompt": "Hi", "answer": 1}, {"prompt": "Hi ", "answer": 2}, {"prompt": "Ho", "answer": 3}]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Columns(dataset=str(tmp_path / "q.jsonl"))
    prompts, report = load_prompts(source, {})
    assert [prompt.conversation.columns["answer"] for prompt in prompts] == [1, 3] and report.dropped == {"repeated": 1}
    assert find_prompts([prompt.text for prompt in reversed(prompts)], source) == prompts[::-1]
    with pytest.raises(DataError, match="1 of 2 prompts are no longer in the data set"):
        find_prompts([prompts[0].text, "gone"], source)


class Ready(PromptSource):
    """A reader that gives conversations, with columns that differ."""

    def read(self):
        ask = (Message("user", "Hi"),)
        return [
            Conversation(ask, {"a": 1}),
            Conversation(ask, {"b": 2, "id": 5}),
            Conversation(ask, id="x"),
        ], ReadReport("ready", 3, 3)


def test_conversations_of_a_reader_get_an_id_and_all_columns():
    found, _ = Ready().conversations()
    own = hashlib.sha256(b"\n\nHuman: Hi\n\nAssistant:").hexdigest()[:12]
    assert [one.id for one in found] == [own, "5", "x"]
    assert [one.columns for one in found] == [
        {"a": 1, "b": None, "id": None}, {"a": None, "b": 2, "id": 5}, {"a": None, "b": None, "id": None},
    ]  # fmt: skip


def test_the_tags_of_the_form_stand_in_one_file_and_in_the_default_of_rollout_stop():
    folder, found = Path(lenity.__file__).parent, set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value.strip() in {"Human:", "Assistant:"}
            ):
                found.add(str(file.relative_to(folder)))
    assert found == {"data/human_assistant.py", "config/sections.py"}
    assert Rollout().stop == ["\n\nHuman:"]


class Plain(PromptSource):
    """A reader as packages had them before: text, in any form."""

    def read(self):
        return ["\n\nHuman: Hi\n\nAssistant:", "Once upon a time"], ReadReport("plain", 2, 2)


def test_a_reader_of_plain_text_goes_on_working_with_the_same_bytes():
    prompts, _ = load_prompts(Plain(), {})
    assert [prompt.text for prompt in prompts] == Plain().read()[0] == Plain().texts()[0]
    assert [prompt.conversation.plain() for prompt in prompts] == [
        [{"role": "user", "content": "Hi"}],
        [{"role": "user", "content": "Once upon a time"}],
    ]


class Joined(PromptSource):
    """Of the time when no row had columns: ``columns`` says which make the prompt."""

    columns: list[str] = Field(["question", "choices"])

    def read(self):
        row = {"question": "\n\nHuman: Which?", "choices": " A or B.\n\nAssistant:"}
        return ["".join(row[name] for name in self.columns)], ReadReport("joined", 1, 1)


def test_a_readers_own_field_called_columns_is_left_alone():
    assert Joined().texts()[0] == ["\n\nHuman: Which? A or B.\n\nAssistant:"]
