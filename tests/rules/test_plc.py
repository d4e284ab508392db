"""PLC against the golden cases and a slow twin; its gates' stated properties."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lenity.rules import PLC
from oracles import slow

GATES = ("sigmoid", "centered", "net")
WEIGHTS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)


def test_golden_cases(golden):
    for case in golden["plc"]:
        rule = PLC(gate=case["gate"], temperature=case["temperature"], leniency=case["leniency"])
        advantages = torch.tensor(case["advantages"], dtype=torch.float64)
        weights = torch.tensor(case["weights"], dtype=torch.float64)
        wanted = torch.tensor(case["rectified"], dtype=torch.float64)
        torch.testing.assert_close(rule.rectify(advantages, weights), wanted, rtol=0, atol=1e-9)


@given(
    st.integers(1, 5).flatmap(lambda k: st.tuples(*[st.lists(st.floats(-20, 20), min_size=k, max_size=k)] * 2)),
    st.sampled_from(GATES),
    st.floats(0.05, 5),
    st.floats(0, 1),
)
def test_slow_twin(pair, gate, temperature, leniency):
    advantages = pair[0]
    total = sum(abs(x) + 0.1 for x in pair[1])
    weights = [(abs(x) + 0.1) / total for x in pair[1]]
    rule = PLC(gate=gate, temperature=temperature, leniency=leniency)
    tensors = [torch.tensor(x, dtype=torch.float64) for x in (advantages, weights)]
    wanted_mask = slow.plc_mask(advantages, weights, gate, temperature, leniency)
    wanted = slow.plc(advantages, weights, gate, temperature, leniency)
    torch.testing.assert_close(rule.objective_scale(*tensors), tensors[0].new_tensor(wanted_mask), rtol=0, atol=1e-9)
    torch.testing.assert_close(rule.rectify(*tensors), tensors[0].new_tensor(wanted), rtol=0, atol=1e-9)


def test_sigmoid_waives_half_of_a_loss_nobody_gains_from():
    alone = torch.tensor([-1.0, 0.0, 0.0], dtype=torch.float64)
    assert PLC(gate="sigmoid").objective_scale(alone, WEIGHTS)[0] == 0.5
    assert PLC(gate="centered").objective_scale(alone, WEIGHTS)[0] == 1
    assert PLC(gate="net").objective_scale(alone, WEIGHTS)[0] == 1


@pytest.mark.parametrize("gate", GATES)
def test_a_larger_surplus_forgives_more(gate):
    gains = torch.linspace(0, 20, 50, dtype=torch.float64)
    advantages = torch.stack([-torch.ones_like(gains), gains, torch.zeros_like(gains)], dim=-1)
    mask = PLC(gate=gate).objective_scale(advantages, WEIGHTS)[:, 0]
    assert (mask.diff() <= 0).all()
    assert mask[-1] < 0.01
