import sqlite3

import pytest

from lenity.errors import CheckpointError
from lenity.judge.cache import FILE, Answer, Cache, key

ANSWER = Answer("7", 11, 2, "http://x/v1", "m")


def test_answers_are_there_when_the_file_is_opened_again(tmp_path):
    with Cache(tmp_path) as cache:
        cache.put("a", ANSWER)
        cache.put("a", Answer("3"))
    with Cache(tmp_path) as cache:
        assert cache.get("a") == ANSWER, "the first answer stays"
        assert cache.get("b") is None


def test_an_answer_is_on_disk_before_the_next_line(tmp_path):
    with Cache(tmp_path) as cache:
        cache.put("a", ANSWER)
        other = sqlite3.connect(tmp_path / FILE)
        assert other.execute("select answer from answers").fetchall() == [("7",)]
        assert other.execute("pragma journal_mode").fetchone() == ("wal",)
        other.close()


@pytest.mark.parametrize(
    "error", ['unreadable: {"error": {"message": "busy"}}', '{"error": "busy"}', "[{'type': 'text', 'text': '7'}]"]
)
def test_an_error_that_an_earlier_release_kept_is_no_answer(tmp_path, error):
    with Cache(tmp_path) as cache:
        cache.put("a", Answer(error))
    with Cache(tmp_path, write=False) as cache:
        assert cache.get("a") is None
    with Cache(tmp_path) as cache:
        cache.put("a", ANSWER)
        assert cache.get("a") == ANSWER


def test_the_key_depends_on_the_whole_request_and_on_the_try():
    request = {"model": "m", "messages": [{"role": "user", "content": "ü"}], "temperature": 0.0, "seed": 1}
    others = [request | change for change in ({"model": "n"}, {"temperature": 0.5}, {"seed": 2}, {"messages": []})]
    keys = [key(request, 0, 0), key(request, 1, 0), key(request, 0, 1), *(key(other, 0, 0) for other in others)]
    assert len(set(keys)) == len(keys)
    assert key(dict(reversed(request.items())), 0, 0) == keys[0], "whatever the order of the fields"


def test_a_dry_run_leaves_no_file(tmp_path):
    with Cache(tmp_path, write=False) as cache:
        assert cache.get("a") is None
    assert not list(tmp_path.iterdir())


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database, but long enough to look at " * 50)
    with (
        pytest.raises(CheckpointError, match=r"judge\.sqlite.* cannot be used: file is not a database.* move it away"),
        Cache(tmp_path),
    ):
        pass  # fmt: skip
