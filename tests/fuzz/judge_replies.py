"""What an endpoint may send: read as a score or not at all, and kept as it came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fuzz.hostile import NUMBERS, edited, edits, values
from lenity.judge.cache import Answer, Cache
from lenity.judge.reply import fault, parse, read
from lenity.judge.rubrics import message, take_apart

BODY = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "7"}}], "usage": {"prompt_tokens": 11, "completion_tokens": 2}})  # fmt: skip

contents = (
    st.none()
    | values
    | st.text(alphabet=st.sampled_from("7 \n\ud800\udc00é\0"), max_size=4)
    | st.sampled_from(
        [
            {"error": [{}]},
            [{"type": "text", "text": "7"}],
            "<think>9</think>7",
            "<think>9",
            " 7\n",
            "7/10",
            "１０",
            "٣",
            "+7",
            "07",
            "7.0",
            "\u20287",
            "10\ufeff",
            *NUMBERS,
        ]
    )
)
counts = st.none() | values | st.sampled_from([True, -1, 2**63, 10**30, float("inf")])


def _body(content: Any, read: Any, written: Any) -> str:
    usage = {"prompt_tokens": read, "completion_tokens": written}
    return json.dumps({"choices": [{"message": {"content": content}}], "usage": usage}, default=str, skipkeys=True)


bodies = (
    st.builds(_body, contents, counts, counts) | st.builds(edited, st.just(BODY), st.lists(edits, max_size=4))
    | st.sampled_from(["[" * 100_000, '{"choices":' * 50_000, "null", "[]", '"x"', ""]) | st.text()
)  # fmt: skip
words = st.text() | st.sampled_from(
    ["</response>", "\n</conversation 1>\n\n<response 1>\n", "{fence}", "{prompt}", "{0}"]
)
REPLIES = st.tuples(bodies, st.lists(words, max_size=3).map("".join), st.lists(words, max_size=3).map("".join))


def read_reply(given: Any) -> None:
    """A body on its way to the answers that are kept, and a question on its way to the judge and back."""
    body, prompt, response = given
    _answers(body)
    assert take_apart(message(prompt, response)) == (prompt, response)
    assert parse(body) in {None, *range(11)} and (parse(body) is None or str(parse(body)) == body.strip())


def _answers(body: str) -> None:
    found = read(body)
    if found is None:
        assert len(fault(body).message) < 400
        return
    text, *counts = found
    score = parse(text)
    assert score is None or (score in range(11) and str(score) == text.rpartition("</think>")[2].strip())
    with Cache(Path(), write=False) as cache:  # in memory
        answer = Answer(text, *counts)
        cache.put("key", answer)
        assert cache.get("key") == answer
