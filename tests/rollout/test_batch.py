"""Rows of a batch without the padding that none of them needs."""

from __future__ import annotations

import torch

import tiny


def test_tokens_are_cut_and_objectives_are_not_even_where_there_are_as_many(tiny_model):
    _, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.scored(tokenizer, objectives=3, lengths=(3, 1))
    part = batch.select(torch.tensor([1]))
    assert part.response_ids.shape == part.response_mask.shape == (1, 1)
    assert part.prompt_ids.shape[1] == int(batch.prompt_mask[1].sum())
    assert torch.equal(part.raw, batch.raw[1:]) and torch.equal(part.scored, batch.scored[1:])
    assert part.valid_tokens.shape == (1, 1, 3)
