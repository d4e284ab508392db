import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenity.judge.reply import parse


@pytest.mark.parametrize("score", range(11))
def test_an_integer_between_white_space_is_read(score):
    assert parse(f" \n{score}\t") == score


@pytest.mark.parametrize(
    "text",
    ["", " ", "11", "-1", "+7", "07", "7.5", "7.0", "7/10", "I'd say 7/10", "7 7", "seven", "７", "٧", "1e1", "1_0", '{"score": 7', "**7**", "7.", "1 0", "unreadable: 7"],
)  # fmt: skip
def test_anything_else_is_a_failure(text):
    assert parse(text) is None


@given(st.text() | st.integers().map(str) | st.text(alphabet="0123456789 .\n", max_size=4))
def test_what_is_read_is_all_that_was_said(text):
    """An independent reading: the ASCII digits left after removing white space at the ends are the number's only spelling."""
    digits = text.strip()
    spelt = digits.isascii() and digits.isdigit() and str(int(digits)) == digits and int(digits) <= 10
    assert parse(text) == (int(digits) if spelt else None)
