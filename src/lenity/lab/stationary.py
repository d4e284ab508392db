"""Stationary points of linear scalarisation on landscapes, to the last digits."""

from __future__ import annotations

import torch
from torch import Tensor

from lenity.aggregation import Linear
from lenity.lab.ascent import ascend, constant
from lenity.lab.families import Problem
from lenity.lab.landscape import Landscapes
from lenity.lab.world import Thetas, Weights, update

NEWTON_STEPS = 12
TOLERANCE = 1e-10


def stalemates(problem: Problem, steps: int = 300, rate: float = 0.4) -> tuple[Thetas, Tensor]:
    """Where linear scalarisation stops: its end points, polished, and which of them are stationary.

    Returns:
        theta (W, 2), and bool (W,): ||g|| < 1e-10 there.
    """
    worlds = problem.worlds
    assert isinstance(worlds, Landscapes)
    end = ascend(worlds, Linear(), problem.weights, problem.start, steps=steps, rate=constant(rate))
    theta = polish(worlds, problem.weights, end)
    norm = update(Linear(), worlds.at(theta), problem.weights).norm(dim=1)
    return theta, (norm < TOLERANCE) & ((theta - end).norm(dim=1) < 0.5)


def polish(worlds: Landscapes, weights: Weights, theta: Thetas) -> Thetas:
    """Newton's steps on the closed-form gradient of w . J; a step longer than .2 is cut."""
    for _ in range(NEWTON_STEPS):
        gradient = torch.einsum("wk,wkn->wn", weights, worlds.closed_form(theta)[1])
        curvature = worlds.hessian(theta, weights)
        step = torch.linalg.lstsq(curvature, gradient.unsqueeze(-1)).solution.squeeze(-1)
        length = step.norm(dim=1, keepdim=True).clamp(min=1e-300)
        theta = theta - step * (0.2 / length).clamp(max=1)
    return theta
