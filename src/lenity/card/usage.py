"""How to load, merge and serve a model without Lenity."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from lenity.config.sections import LoRA
from lenity.data.human_assistant import question

EMBEDDINGS = {
    "embed_tokens",
    "lm_head",
    "wte",
    "embed_in",
    "embed_out",
    "word_embeddings",
}  # modules of embedding or head in transformers
QUESTION = question("How do I boil an egg?")


def usage(model: str, base: str, stop: Sequence[str], lora: LoRA, *, merged: bool, prompt: str = QUESTION) -> list[str]:
    """The Markdown lines of the section.

    Args:
        model: folder or repository of the adapter or, if ``merged``, of the merged model.
        base: the adapter's base model.
        stop: strings before which a response's text ends.
        lora: settings of the adapter.
        merged: the adapter is merged into its base model.
        prompt: the prompt of ``QUESTION`` as the policy reads it.
    """
    stops = [text for text in stop if text]
    ending = (
        f" A response's text ends before {' or '.join(f'`{json.dumps(text)}`' for text in stops)}." if stops else ""
    )
    return [
        "## Use",
        "",
        r'The policy was trained on plain text of the form `"\n\nHuman: …\n\nAssistant:"`, without a chat template.'
        + ending,
        "",
        "```python",
        *(_whole(model) if merged else _adapter(model, base)),
        f"prompt = {json.dumps(prompt)}",
        'inputs = tokenizer(prompt, return_tensors="pt")',
        "last = tokenizer(prompt, add_special_tokens=False).input_ids[-1]  # some tokenizers append EOS to a prompt; it is cut off below",
        "length = int((inputs.input_ids[0] == last).nonzero().max()) + 1",
        "inputs = {name: ids[:, :length] for name, ids in inputs.items()}",
        "answer = model.generate(**inputs, max_new_tokens=128, do_sample=False)[0, length:]",
        "print(tokenizer.decode(answer, skip_special_tokens=True))",
        "```",
        "",
        *(_untying() if not merged and _adapts_embeddings(lora) else _serving(model, base, merged=merged)),
    ]


def _adapts_embeddings(lora: LoRA) -> bool:
    """Whether the adapter names the embedding or the head as targets; ``all-linear`` includes neither."""
    targets = lora.target_modules
    return isinstance(targets, list) and any(name.rpartition(".")[2] in EMBEDDINGS for name in targets)


def _untying() -> list[str]:
    """How to merge where ``merge_and_unload`` alone may give a different model."""
    text = (
        "The adapter changes the embedding or the head. Where the base model ties them, peft's `merge_and_unload` changes both; "
        "`lenity push RUN REPOSITORY --merge` unties them first."
    )
    return [text]


def _whole(model: str) -> list[str]:
    name = json.dumps(model)
    return [
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f"tokenizer = AutoTokenizer.from_pretrained({name})",
        f"model = AutoModelForCausalLM.from_pretrained({name})",
    ]


def _adapter(model: str, base: str) -> list[str]:
    name = json.dumps(base)
    return [
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f"tokenizer = AutoTokenizer.from_pretrained({name})",
        f"model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({name}), {json.dumps(model)})",
    ]


def _serving(model: str, base: str, *, merged: bool) -> list[str]:
    """Commands for transformers and vLLM; `transformers serve` needs a merged model."""
    if merged:
        commands = ["```sh", f"transformers serve {_word(model)}", f"vllm serve {_word(model)}", "```"]
        return ["To serve it, with completions at `/v1/completions`:", "", *commands]
    return [
        "To merge it into one model, which needs no peft, and serve it with completions at `/v1/completions`:",
        "",
        "```python",
        'model.merge_and_unload().save_pretrained("merged")',
        'tokenizer.save_pretrained("merged")',
        "```",
        "",
        "```sh",
        "transformers serve merged",
        f"vllm serve {_word(base)} --enable-lora --max-lora-rank RANK --lora-modules aligned={_word(model)}",
        "```",
        "",
        "RANK is at least `r` in `adapter_config.json`.",
    ]


def _word(text: str) -> str:
    return shlex.quote(" ".join(text.splitlines()))
