"""Stationary points of linear scalarisation on landscapes, to machine precision."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from lenity.lab.ascent import ascend, constant
from lenity.lab.families import Problem
from lenity.lab.landscape import Landscapes
from lenity.lab.world import Thetas
from lenity.rules import Linear

TOLERANCE = 1e-10
CURVED = 1e-3  # a maximum bends by more in every direction
NEAR = 0.1  # Newton's steps that end farther off have found another point


def stalemates(problem: Problem, steps: int = 300, rate: float = 0.4) -> tuple[Thetas, Bool[Tensor, " W"]]:
    """Where linear scalarisation stops: its end points, polished by Newton's steps, and which of them are maxima of w . J.

    Returns:
        theta (W, 2), and bool (W,): ||g|| < 1e-10 and curved downwards there, in closed form.
    """
    worlds = problem.worlds
    assert isinstance(worlds, Landscapes)
    end = ascend(worlds, Linear(), problem.weights, problem.start, steps=steps, rate=constant(rate))
    theta = worlds.stationary_near(end, problem.weights)
    norm = torch.einsum("wk,wkn->wn", problem.weights, worlds.closed_form(theta)[1]).norm(dim=1)
    curvature = torch.linalg.eigvalsh(worlds.hessian(theta, problem.weights))[:, -1]
    return theta, (norm < TOLERANCE) & (curvature < -CURVED) & ((theta - end).norm(dim=1) < NEAR)
