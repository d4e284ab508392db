"""Names of before are read for one version: configuration fields, a rule's method, columns of metrics.jsonl."""

import logging

import torch

from lenity.config.sections import Policy
from lenity.rules import PLC, Linear
from lenity.rules.base import AdvantageRule
from lenity.runs.folder import RunFolder


def test_a_renamed_field_is_read_under_its_former_name_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        policy = Policy.model_validate({"model": "tiny", "checkpointing": True})
    assert policy.gradient_checkpointing
    assert "'checkpointing' is called 'gradient_checkpointing' now" in caplog.text


def test_a_rule_that_calls_its_objective_scale_mask_works(caplog):
    class Half(AdvantageRule):
        def mask(self, advantages, weights):
            return advantages.new_full(advantages.shape, 0.5)

    assert Half().rectify(torch.tensor([2.0, 4.0]), torch.tensor([0.5, 0.5])).item() == 1.5
    assert "Half.mask is called objective_scale now" in caplog.text


def test_a_rule_made_of_another_by_its_mask_has_the_mask_of_that_one():
    class Twice(PLC):
        def mask(self, advantages, weights):
            return 2 * super().mask(advantages, weights)

    class Named(Twice):
        """Neither defined anew."""

    class Mixed(Halving, Linear):
        """The mask of a class that is no rule, before the objective_scale of one that is."""

    advantages, weights = torch.tensor([2.0, -4.0]), torch.tensor([0.5, 0.5])
    wanted = 2 * PLC().objective_scale(advantages, weights)
    assert wanted[1] < 2
    assert torch.equal(Named().objective_scale(advantages, weights), wanted)
    assert torch.equal(Named().step(advantages, weights, {})[0], wanted)
    assert Mixed().objective_scale(advantages, weights).tolist() == [0.5, 0.5]


class Halving:
    def mask(self, advantages, weights):
        return advantages.new_full(advantages.shape, 0.5)


def test_rows_of_the_first_version_are_read_by_their_present_names(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(
        '{"mask_mean": {"mask_mean": 1.0}, "without_eos": 0.5, "seconds": {"credit": 2.0, "update": 1.0}}\n'
    )
    (row,) = RunFolder(tmp_path).metrics()
    assert row == {
        "objective_scale_mean": {"mask_mean": 1.0},  # an objective may have any name
        "truncated_fraction": 0.5,
        "seconds": {"advantages": 2.0, "update": 1.0},
    }
