"""What others do with a pushed model: plain peft, a merge, a server; its answers are the policy's own."""

from __future__ import annotations

import json
import urllib.request

import pytest
import torch
from peft import PeftModel
from tokenizers import processors
from transformers import AutoModelForCausalLM, AutoTokenizer

import tiny
from lenity.data.tokens import prompt_ids
from lenity.hub.contents import contents, names_for
from lenity.methods import Loop, train
from lenity.rollout.transformers import generate_texts
from lenity.runs.aligned import load_aligned
from served import served
from tokenizer_shapes import SHAPES

PROMPTS = ["\n\nHuman: sure\n\nAssistant:", "\n\nHuman: sure sure sure sure\n\nAssistant:"]


@pytest.fixture(scope="module")
def run(tiny_model, tmp_path_factory):
    """Trained far enough that the adapter changes the answers."""
    settings = {"optimizer": {"learning_rate": 0.1, "warmup_steps": 1}}
    return train(tiny.run_config(tiny_model, tmp_path_factory.mktemp("runs") / "mine", iterations=2, **settings))


def written(run, folder, *, merge):
    """The files as someone downloads them."""
    with contents(run, names_for(run, "me/mine", "someone/base", merge=merge, license=None)) as files:
        for name, content in files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    return folder


@torch.no_grad()
def logits(model, tokenizer):
    return model.eval()(**tokenizer(PROMPTS[1], return_tensors="pt")).logits


def test_plain_peft_and_a_merge_give_the_policys_logits(run, tiny_model, tmp_path):
    policy, tokenizer = load_aligned(run, torch.device("cpu"))
    wanted = logits(policy, tokenizer)
    with policy.disable_adapter():
        before = logits(policy, tokenizer)
    assert (wanted - before).abs().max() > 0.1, "an adapter that does nothing would pass"
    folder = written(run, tmp_path, merge=False)
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), folder)
    torch.testing.assert_close(logits(plain, tokenizer), wanted, rtol=0, atol=0)
    torch.testing.assert_close(logits(plain.merge_and_unload(), tokenizer), wanted, rtol=1e-5, atol=1e-4)


def test_a_merged_model_needs_neither_peft_nor_the_base(run, tmp_path):
    folder = written(run, tmp_path, merge=True)
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {f.name for f in folder.iterdir()}
    assert not list(folder.glob("adapter*"))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    policy, own = load_aligned(run, torch.device("cpu"))
    torch.testing.assert_close(logits(model, tokenizer), logits(policy, own), rtol=1e-5, atol=1e-4)
    here = str(run.config.policy.model).encode()
    assert not [file.name for file in folder.iterdir() if here in file.read_bytes()]


def test_the_card_is_run_as_it_stands(run, tiny_model, tmp_path):
    """Its Python, with the names of folders in place of those of the hub."""
    card = written(run, tmp_path, merge=False).joinpath("README.md").read_text()
    code = [part.split("```")[0] for part in card.split("```python\n")[1:]]
    code = "\n".join(code).replace('"someone/base"', repr(str(tiny_model))).replace('"me/mine"', repr(str(tmp_path)))
    space = {}
    exec(code.replace('"merged"', repr(str(tmp_path / "merged"))), space)
    assert (tmp_path / "merged" / "model.safetensors").is_file() and len(space["answer"]) > 0


def test_the_card_shows_what_the_policy_reads(run, tmp_path, monkeypatch):
    """As of Rewards-in-Context, whose prompts name the scores to reach."""
    monkeypatch.setattr(Loop, "shown", lambda self, prompts, run: [f"{prompt} <helpful> 1.0" for prompt in prompts])
    card = written(run, tmp_path, merge=False).joinpath("README.md").read_text()
    assert r'prompt = "\n\nHuman: How do I boil an egg?\n\nAssistant: <helpful> 1.0"' in card


@pytest.mark.parametrize("single", ["$A", "<s> $A", "$A </s>", "<s> <|stop|> $A <|stop|> </s>"])
def test_the_card_prompts_without_what_a_tokenizer_appends(run, tmp_path, single):
    """The lines between the tokenizer and the answer, with a tokenizer of another kind."""
    card = written(run, tmp_path, merge=False).joinpath("README.md").read_text()
    lines = card[card.index("prompt = ") : card.index("answer = ")]
    space = {"tokenizer": SHAPES["spm"]()}
    core = space["tokenizer"].backend_tokenizer
    ids = [(token, core.token_to_id(token)) for token in ("<s>", "</s>", "<|stop|>")]
    core.post_processor = processors.TemplateProcessing(single=single, pair=f"{single} $B", special_tokens=ids)
    exec(lines, space)
    assert space["inputs"]["input_ids"].tolist() == prompt_ids(space["tokenizer"], [space["prompt"]])
    assert space["inputs"]["attention_mask"].shape == (1, space["length"])


@pytest.mark.slow
def test_a_server_that_is_not_ours_answers_as_the_policy_does(run, tmp_path):
    pytest.importorskip("uvicorn")
    (tmp_path / "merged").mkdir()
    folder = written(run, tmp_path / "merged", merge=True)
    policy, tokenizer = load_aligned(run, torch.device("cpu"))
    wanted = generate_texts(
        policy.eval(), tokenizer, PROMPTS, temperature=0, max_new_tokens=12, min_new_tokens=0, stop=()
    )
    assert all(response.tokens > 3 for response in wanted)
    with served(folder, tmp_path / "log") as url:
        answers = [complete(url, str(folder), prompt, 12) for prompt in PROMPTS]
    assert answers == [response.text.lstrip() for response in wanted]  # it decodes a response without its prompt


def complete(url, model, prompt, tokens):
    body = {"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0}
    request = urllib.request.Request(
        f"{url}/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["choices"][0]["text"]
