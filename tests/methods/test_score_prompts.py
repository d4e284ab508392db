"""Scores in prompts: written, and chosen from weights."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from lenity.data.human_assistant import ASSISTANT, HUMAN
from lenity.errors import DataError, ModelError
from lenity.methods.score_prompts import check_spelling, condition, desired
from lenity.toy.training import make_tokenizer

SCORES = st.lists(st.floats(-99, 99), min_size=1, max_size=6)
WEIGHTS = st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda w: sum(w) > 0.1)


@given(st.text(max_size=60), SCORES)
def test_scores_stand_before_the_assistants_turn_and_the_rest_stays(text, scores):
    shown = condition(HUMAN + text + ASSISTANT, scores)
    said = shown.removeprefix(HUMAN + text).removesuffix(ASSISTANT)
    assert HUMAN + text + said + ASSISTANT == shown and said.count("_score> ") == len(scores)


@pytest.mark.parametrize("text", [" stand", " Asia:", " nt: sis \n\n", " say <rm1_score> 0.5", " \n\nAssistant: ant"])
def test_the_suffix_is_taken_off_not_its_characters(text):
    prompt = HUMAN + text + ASSISTANT
    assert condition(prompt, [1.0]) == HUMAN + text + " <rm1_score> 1.0" + ASSISTANT


def test_one_decimal_and_no_negative_zero():
    assert condition(ASSISTANT, [-0.04, 1.26, -2]) == " <rm1_score> 0.0 <rm2_score> 1.3 <rm3_score> -2.0" + ASSISTANT


def test_a_prompt_without_an_assistant_turn_is_refused():
    with pytest.raises(DataError, match="ends with 'Hello', so scores cannot be inserted"):
        condition("Hello", [1.0])


def test_desired_scores():
    ranges = [(-1.0, 3.0), (0.0, 2.0)]
    assert desired([1.0, 0.0], ranges, "l2") == [3.0, 0.0]
    assert desired([0.6, 0.8], ranges, "l2") == pytest.approx([-1 + 0.6 * 4, 0.8 * 2])
    assert desired([0.75, 0.25], ranges, "linf") == pytest.approx([3.0, 0.5 * 2])
    assert desired([0.75, 0.25], ranges, "linear") == pytest.approx([-1 + 0.75 * 4, 0.25 * 2])


@given(WEIGHTS, st.sampled_from(["l2", "linf", "linear"]))
def test_desired_scores_stay_in_range_and_follow_the_weights(weights, how):
    total = sum(weights)
    weights = [w / total for w in weights]
    found = desired(weights, [(0.0, 1.0)] * len(weights), how)
    assert all(-1e-12 <= score <= 1 + 1e-12 for score in found)
    order = sorted(range(len(weights)), key=weights.__getitem__)
    assert all(found[a] <= found[b] + 1e-12 for a, b in itertools.pairwise(order))
    if how == "linf":
        assert max(found) == 1


def test_a_tokenizer_that_cannot_spell_scores_is_refused():
    core = Tokenizer(models.WordLevel({"<unk>": 0, "hello": 1}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    with pytest.raises(ModelError, match="has no tokens for"):
        check_spelling(PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>"), 2)


def test_checking_changes_no_token():
    tokenizer = make_tokenizer()
    before = (dict(tokenizer.special_tokens_map), len(tokenizer), dict(tokenizer.get_vocab()))
    check_spelling(tokenizer, 12)
    assert (dict(tokenizer.special_tokens_map), len(tokenizer), dict(tokenizer.get_vocab())) == before
