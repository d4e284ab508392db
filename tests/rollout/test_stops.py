"""Stop strings against a slow twin that decodes the whole response after every token, on tokenizers of many shapes."""

from __future__ import annotations

import random

import pytest
import torch

from lenity.data.tokens import prompt_ids
from lenity.rollout.answers import asked, assembled, from_lists
from lenity.rollout.stops import StopStrings
from tokenizer_shapes import SHAPES, TEXTS

CPU = torch.device("cpu")
PROMPTS = ["\n\nHuman: ok\n\nAssistant:", "\n\nHuman: Hello there, how are you?\n\nAssistant: I am STO"]


@pytest.fixture(scope="module", params=SHAPES)
def tokenizer(request):
    return SHAPES[request.param]()


def slowly(tokenizer, prompt, tokens, stop):
    """Text, number of tokens and whether it ended: the first count of tokens whose text has a stop string."""
    (before,) = prompt_ids(tokenizer, [prompt])

    def added(count, *, skip):
        whole, known = (tokenizer.decode(ids, skip_special_tokens=skip) for ids in ([*before, *tokens[:count]], before))
        assert whole.startswith(known)
        return whole[len(known) :]

    for count in range(1, len(tokens) + 1):
        text, spelled = added(count, skip=True), added(count, skip=False)
        if places := [text.find(part) for part in stop if part in text]:
            return text[: min(places)], count, True
        if any(part in spelled for part in stop):
            return None, count, True
        if tokens[count - 1] == tokenizer.eos_token_id:
            return text, count, True
    return added(len(tokens), skip=True), len(tokens), False


def check(tokenizer, rows, stop):
    """Both ways in which responses come, token by token and as a whole that goes on behind its stop string."""
    given = asked(tokenizer, [PROMPTS[i % 2] for i in range(len(rows))], CPU, 1)
    wanted = [slowly(tokenizer, prompt.text, row, stop) for prompt, row in zip(given.prompts, rows, strict=True)]
    whole = from_lists(given, rows, [[-1.0] * len(row) for row in rows], [tokenizer.eos_token_id], stop)
    stops, width = StopStrings(tokenizer, stop, given.rows), max(map(len, rows))
    padded = torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row in rows])
    for at in range(width):
        alive = [i for i, row in enumerate(rows) if at < len(row) and i not in stops.found]
        stops.look(alive, padded[alive, : at + 1])
    stepwise = assembled(given, [torch.tensor(row) for row in rows], [tokenizer.eos_token_id], stops)
    for found in (whole, stepwise):
        for i, (text, count, ended) in enumerate(wanted):
            assert (int(found.response_mask[i].sum()), bool(found.finished[i])) == (count, ended), (stop, rows[i])
            assert text is None or found.responses[i] == text, (stop, rows[i])
            assert not any(part in found.responses[i] for part in stop)
    return wanted


def test_any_part_of_a_text_as_a_stop_string(tokenizer):
    """Of one character to all of it, so from within a token to forty tokens; also one that ends with a space."""
    chance = random.Random(0)
    text = TEXTS[0][TEXTS[0].index(" I am") :] + " Yes 😀 é. Yes: STOP 😀😀"
    row = tokenizer(text, add_special_tokens=False)["input_ids"]
    said = tokenizer.decode(row)
    ended = 0
    for _ in range(60):
        size = chance.choice([1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
        starts = [chance.randrange(max(len(said) - size, 1)) for _ in range(chance.choice([1, 1, 2, 3]))]
        stop = [said[at : at + size] for at in starts]
        ended += sum(end for _, _, end in check(tokenizer, [row, row], stop))
    assert ended > 80


def test_random_tokens_with_special_ones_among_them(tokenizer):
    chance = random.Random(1)
    ordinary = [token for token in range(len(tokenizer)) if token != tokenizer.eos_token_id]
    for _ in range(15):
        rows = [chance.choices(ordinary, k=chance.randrange(1, 40)) for _ in range(4)]
        rows[0][-1] = tokenizer.eos_token_id
        said = tokenizer.decode(rows[1], skip_special_tokens=True) or "none"
        at = chance.randrange(len(said))
        stop = [said[at : at + chance.randrange(1, 30)], "STOP"]
        if "\ufffd" not in "".join(stop):  # half a character, which the next token may make whole
            check(tokenizer, rows, stop)


def test_what_the_prompt_began_is_no_stop_string(tokenizer):
    """The second prompt ends in ``STO``."""
    row = tokenizer("P it", add_special_tokens=False)["input_ids"]
    assert [ended for *_, ended in check(tokenizer, [row, row], ["STOP"])] == [False, False]


def test_a_stop_string_of_many_tokens(tokenizer):
    stop = "Bye for now " * 40
    row = tokenizer(" ok " + stop + "ok then ok", add_special_tokens=False)["input_ids"]
    said = tokenizer.decode(row)
    (text, count, ended), _ = check(tokenizer, [row, row], [said[10:400]])
    assert ended and 30 < count < len(row) and len(text) < 20


def test_a_special_token_as_a_stop_string():
    tokenizer = SHAPES["qwen"]()
    row = tokenizer(" Bye<|stop|> now, ok", add_special_tokens=False)["input_ids"]
    given = asked(tokenizer, PROMPTS[:1], CPU, 1)
    for stop in ("<|stop|>", "e<|stop|> n"):
        check(tokenizer, [row], [stop])
        found = from_lists(given, [row], [[-1.0] * len(row)], [tokenizer.eos_token_id], [stop])
        assert found.responses == [" Bye" if stop == "<|stop|>" else " By"]


def test_an_empty_stop_string_stops_nothing(tokenizer):
    row = tokenizer(" Bye for now", add_special_tokens=False)["input_ids"]
    given = asked(tokenizer, PROMPTS[:1], CPU, 1)
    found = from_lists(given, [row], [[-1.0] * len(row)], [tokenizer.eos_token_id], [""])
    assert found.responses[0].strip() == "Bye for now" and not bool(found.finished[0])
