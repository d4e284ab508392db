"""Prompts without what a tokenizer appends, and transcripts that are tokenised as a whole, on tokenizers of many shapes."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from lenity.data.human_assistant import as_prompt
from lenity.data.prompts import token_counters
from lenity.data.tokens import affixes, prompt_ids
from lenity.errors import ModelError
from lenity.evaluation.divergence import log_ratios
from lenity.finetuning import supervised as sft
from lenity.finetuning.supervised import IGNORED
from lenity.methods.examples import Examples, encode
from lenity.rollout.answers import asked
from lenity.rollout.transformers import Response
from tokenizer_shapes import SHAPES, TEXTS

CPU = torch.device("cpu")
TURNS = [
    [" I am fine. Yes: do STOP it.", " Bye for now."],
    [" Over there; on the left", " You are welcome!"],
]


@pytest.fixture(scope="module", params=SHAPES)
def tokenizer(request):
    return SHAPES[request.param]()


class Slow:
    """One without offsets."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.eos_token_id = tokenizer.eos_token_id

    def __call__(self, text, add_special_tokens=True):
        return {"input_ids": self.tokenizer(text, add_special_tokens=add_special_tokens)["input_ids"]}


def plain(text):
    return "".join(text.split())


def learned(tokenizer, row):
    """What is learned, turn by turn: the ids of each stretch of labels."""
    turns, before = [], IGNORED
    for label in row["labels"]:
        if label != IGNORED:
            turns = turns if before != IGNORED else [*turns, []]
            turns[-1].append(label)
        before = label
    return turns


def test_a_prompt_has_no_end_inside(tokenizer):
    prompt = TEXTS[0][: TEXTS[0].rfind(":") + 1]
    whole = tokenizer(prompt)["input_ids"]
    (ids,) = prompt_ids(tokenizer, [prompt])
    assert whole[-1] == tokenizer.eos_token_id and ids == whole[:-1]
    assert affixes(tokenizer) == ([whole[0]], [tokenizer.eos_token_id])
    rows = asked(tokenizer, [prompt, "\n\nHuman: ok\n\nAssistant:"], CPU, 4)
    assert rows.rows[0] == ids and tokenizer.eos_token_id not in rows.ids
    assert rows.ids.shape == rows.mask.shape and not bool(rows.mask[1, 0]) and bool(rows.mask[:, -1].all())
    assert token_counters(tokenizer, {})["the policy"]([as_prompt(prompt)]) == [len(ids)]


def test_a_transcript_is_tokenised_as_a_whole_and_ends_once(tokenizer):
    for row, text in zip(sft.encode(TEXTS, tokenizer, 512), TEXTS, strict=True):
        assert row["input_ids"] == tokenizer(text)["input_ids"] and len(row["labels"]) == len(row["input_ids"])
        assert row["input_ids"].count(tokenizer.eos_token_id) == 1


@pytest.mark.parametrize("slow", [False, True], ids=["offsets", "no offsets"])
def test_labels_are_the_turns_and_their_ends(tokenizer, slow, request):
    joined = (
        "qwen" in request.node.name
    )  # there one token holds the end of a turn and more, so that the last turn alone has its end
    for row, turns in zip(sft.encode(TEXTS, Slow(tokenizer) if slow else tokenizer, 512), TURNS, strict=True):
        found = learned(tokenizer, row)
        assert len(found) == len(turns) == 2
        for ids, turn in list(zip(found, turns, strict=True))[joined:]:
            assert ids[-1] == tokenizer.eos_token_id
            assert plain(tokenizer.decode(ids[:-1])) in {plain(turn), plain(turn).replace("😀", tokenizer.unk_token)}


def test_what_is_learned_is_what_a_prompted_policy_says(tokenizer):
    """Each turn's labels stand behind its prompt, as in a rollout, and begin as the transcript that ends there goes on."""
    for row, text, turns in zip(sft.encode(TEXTS, tokenizer, 512), TEXTS, TURNS, strict=True):
        for ids, turn in zip(learned(tokenizer, row), turns, strict=True):
            end = text.index(turn) + len(turn)
            prompt = tokenizer(text[: end - len(turn)])["input_ids"][:-1]
            assert row["input_ids"][: len(prompt)] == prompt
            assert row["labels"][len(prompt)] == ids[0]
            said = tokenizer(text[:end])["input_ids"]
            assert ids == said[len(prompt) :][: len(ids)] and len(ids) >= len(said) - len(prompt) - 1


def test_a_transcript_that_is_cut_ends_as_a_response_would(tokenizer):
    first = TEXTS[0][: TEXTS[0].index(TURNS[0][0]) + len(TURNS[0][0])]
    wanted = tokenizer(first)["input_ids"]
    for longest in (len(wanted), len(tokenizer(TEXTS[0])["input_ids"]) - 1):
        (row,) = sft.encode(TEXTS[:1], tokenizer, longest)
        assert row["input_ids"] == wanted
    (row,) = sft.encode(TEXTS[:1], tokenizer, 8)
    assert row["input_ids"] == wanted[-8:]


def test_an_end_that_a_transcript_spells_out_is_its_end(tokenizer):
    eos = tokenizer.eos_token
    texts = ["\n\nHuman: ok\n\nAssistant: Bye" + more for more in (eos, f"{eos}\n\nHuman: ok\n\nAssistant: Bye{eos}")]
    for text, row in zip(texts, sft.encode(texts, tokenizer, 64), strict=True):
        assert row["input_ids"].count(tokenizer.eos_token_id) == text.count(eos)
        assert row["labels"].count(tokenizer.eos_token_id) == text.count(eos)


def test_scored_examples_are_tokenised_as_a_whole(tokenizer):
    prompt = "\n\nHuman: ok <rm1_score> 0.5\n\nAssistant:"
    examples = Examples([prompt] * 2, [" Bye for now."] * 2, [True, False], torch.zeros(2, 1).numpy())
    ended, cut = encode(tokenizer, [prompt] * 2, examples, 64)
    assert ended["input_ids"] == tokenizer(prompt + " Bye for now.")["input_ids"]
    assert cut == {name: ids[:-1] for name, ids in ended.items()}
    before = len(tokenizer(prompt)["input_ids"]) - 1
    assert ended["labels"] == [IGNORED] * before + ended["input_ids"][before:]


@torch.no_grad()
def test_the_divergence_is_over_the_tokens_of_a_rollout(tokenizer):
    """Of what follows the prompt in the whole text, as tokens that were generated one after another."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes))
    policy = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))
    prompt, answers = "\n\nHuman: ok\n\nAssistant:", [Response(" Bye for now.", 0, True), Response(" Bye", 0, False)]
    found = log_ratios(policy, tokenizer, [prompt] * 2, [prompt] * 2, answers)
    before = len(tokenizer(prompt)["input_ids"]) - 1
    for answer, value in zip(answers, found, strict=True):
        ids = tokenizer(prompt + answer.text, return_tensors="pt")["input_ids"]
        ids = ids if answer.finished else ids[:, :-1]
        sums = []
        for _ in range(2):
            chances = policy(ids).logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None])
            sums.append(float(chances[before - 1 :].sum()))
            policy.base_model.disable_adapter_layers()
        policy.base_model.enable_adapter_layers()
        assert value == pytest.approx(sums[0] - sums[1], abs=1e-4)


class Scrambled(Slow):
    """Special tokens change the others."""

    def __call__(self, text, add_special_tokens=True):
        ids = super().__call__(text, add_special_tokens)["input_ids"]
        return {"input_ids": ids[::-1] if add_special_tokens else ids}


def test_a_tokenizer_that_cannot_be_read_is_refused():
    with pytest.raises(ModelError, match="so it is not clear where a prompt ends"):
        prompt_ids(Scrambled(SHAPES["qwen"]()), ["ok"])
