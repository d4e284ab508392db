"""KL of the aligned policy from the reference policy, estimated on the aligned policy's responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lenity.config.sections import SILENT, Progress
from lenity.console.progress import track
from lenity.data.tokens import Span, encode_turns, split_at_turn
from lenity.distributed.processes import ALONE, Processes


def log_ratios(
    model: Any,
    tokenizer: Any,
    shown: Sequence[str],
    prompts: Sequence[str],
    responses: Sequence[Any],
    *,
    processes: Processes = ALONE,
    batch_size: int = 16,
    progress: Progress = SILENT,
) -> list[float]:
    """One value per response, in nats: the sum over its tokens of log pi(token | shown) - log pi_ref(token | prompt).

    Texts are tokenised again, with EOS where the response finished. The distributions are those at temperature 1 without nucleus
    sampling, whatever the decoding was.
    """
    import torch

    model.eval()

    def ratios(rows: Sequence[tuple[str, str, Any]]) -> list[float]:
        sums: list[float] = []
        with track("measuring KL", len(rows), unit="responses", settings=progress, shown=processes.first) as advance:
            for start in range(0, len(rows), batch_size):
                read, asked, answers = zip(*rows[start : start + batch_size], strict=True)
                aligned = _sums(model, tokenizer, read, answers)
                with model.disable_adapter():
                    reference = _sums(model, tokenizer, asked, answers)
                sums += (aligned - reference).tolist()
                advance(len(read))
        return sums

    with torch.no_grad():
        return processes.share(list(zip(shown, prompts, responses, strict=True)), ratios)


def _sums(model: Any, tokenizer: Any, prompts: Sequence[str], responses: Sequence[Any]) -> Any:
    """Log-probability of each response, nats, (B,)."""
    rows = _tokens(tokenizer, prompts, responses)
    ids, attention, scored = (part.to(model.device) for part in _pad(rows, tokenizer.pad_token_id or 0))
    return (_log_probs(model, ids, attention) * scored[:, 1:]).sum(-1)


def _tokens(tokenizer: Any, prompts: Sequence[str], responses: Sequence[Any]) -> list[tuple[list[int], list[int]]]:
    """Token ids of each prompt and response, from tokenising both as one text."""
    texts = [prompt + response.text for prompt, response in zip(prompts, responses, strict=True)]
    turns = [[Span(len(prompt), len(text))] for prompt, text in zip(prompts, texts, strict=True)]
    rows = [split_at_turn(*row) for row in encode_turns(tokenizer, texts, turns)]
    return [
        (prompt, answer if response.finished else answer[:-1])
        for (prompt, answer), response in zip(rows, responses, strict=True)
    ]


def _pad(batch: Sequence[tuple[list[int], list[int]]], pad: int) -> tuple[Any, Any, Any]:
    import torch

    length = max(len(prompt) + len(answer) for prompt, answer in batch)
    ids = torch.full((len(batch), length), pad)
    attention, scored = torch.zeros_like(ids), torch.zeros(len(batch), length)
    for row, (prompt, answer) in enumerate(batch):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor(prompt + answer)
        attention[row, :end] = 1
        scored[row, len(prompt) : end] = 1
    return ids, attention, scored


def _log_probs(model: Any, ids: Any, attention: Any) -> Any:
    logits = model(input_ids=ids, attention_mask=attention).logits[:, :-1].float()
    chosen = logits.gather(-1, ids[:, 1:, None])[..., 0]
    return chosen - logits.logsumexp(-1)
