"""Landscapes in the plane under a Gaussian policy N(theta, sigma^2 I): rewards are sums of Gaussian bumps.

Expectations over the policy are Gauss-Hermite sums, since a rectified advantage has no closed form. J and its gradient have
one, which checks the sums: the mean of exp(-|x - c|^2 / 2 s^2) is s^2/v exp(-|theta - c|^2 / 2v) with v = s^2 + sigma^2.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lenity.lab.world import Credit, Point, Thetas, Weights, Worlds

REACH = 4.0  # theta beyond this is not searched for the optimum; bumps lie well inside
GRID = 65


class Landscapes(Worlds):
    """W landscapes of B bumps, each of which gives every objective a height.

    Args:
        centres: (W, B, 2).
        widths: s, (W, B).
        heights: (W, B, K), of either sign.
        sigma: standard deviation of the policy.
        nodes: quadrature nodes an axis; M is their square.
    """

    def __init__(self, centres: Tensor, widths: Tensor, heights: Tensor, sigma: float = 0.3, nodes: int = 8) -> None:
        self.centres, self.widths, self.heights, self.sigma = centres, widths, heights, sigma
        z, share = np.polynomial.hermite_e.hermegauss(nodes)
        self.z = torch.from_numpy(z)
        one = torch.from_numpy(share / math.sqrt(2 * math.pi))
        self.shares = torch.outer(one, one).flatten()
        first, second = torch.meshgrid(self.z, self.z, indexing="ij")
        self.scores = torch.stack([first, second], -1).reshape(-1, 2) / sigma  # grad log pi at the nodes, (M, 2)

    def select(self, rows: Tensor) -> Landscapes:
        """Some of the worlds, by index or bool."""
        nodes = len(self.z)
        return Landscapes(self.centres[rows], self.widths[rows], self.heights[rows], self.sigma, nodes)

    def at(self, theta: Thetas) -> Point:
        """A sample a node; A_k = r_k - J_k."""
        rewards = self._rewards(theta)
        values = self.shares @ rewards
        weighted = (self.shares.unsqueeze(-1) * self.scores).T

        def policy_gradient(credit: Credit) -> Tensor:
            return (weighted @ credit).transpose(1, 2)

        probabilities = self.shares.expand(len(theta), -1)
        return Point(values, probabilities, rewards - values.unsqueeze(1), policy_gradient)

    def _rewards(self, theta: Thetas) -> Float[Tensor, "W M K"]:
        """r at the nodes; a bump is a product of one factor an axis."""
        nodes = theta.unsqueeze(-1) + self.sigma * self.z  # (W, 2, Q)
        distance = nodes.unsqueeze(1) - self.centres.unsqueeze(-1)  # (W, B, 2, Q)
        factors = (-0.5 * (distance / self.widths[..., None, None]).square()).exp()
        bumps = (factors[:, :, 0].unsqueeze(-1) * factors[:, :, 1].unsqueeze(-2)).flatten(2)  # (W, B, M)
        return bumps.transpose(1, 2) @ self.heights

    def closed_form(self, theta: Float[Tensor, "W ... 2"]) -> tuple[Tensor, Tensor]:
        """J (W, ..., K) and its Jacobian (W, ..., K, 2) at any number of theta a world."""
        away, spread, bumps = self._smoothed(theta)
        heights = self._like(self.heights, theta)
        values = (bumps.unsqueeze(-1) * heights).sum(-2)
        slopes = -(bumps / spread).unsqueeze(-1) * away  # (W, ..., B, 2)
        return values, torch.einsum("w...bk,w...bn->w...kn", heights.expand(*bumps.shape, -1), slopes)

    def hessian(self, theta: Thetas, weights: Weights) -> Float[Tensor, "W 2 2"]:
        """Of w . J, in closed form."""
        away, spread, bumps = self._smoothed(theta)
        height = (self.heights * weights.unsqueeze(1)).sum(-1) * bumps / spread
        outer = torch.einsum("wb,wbi,wbj->wij", height / spread, away, away)
        return outer - height.sum(1)[:, None, None] * torch.eye(2, dtype=theta.dtype)

    def attainable(self, weights: Weights) -> tuple[Tensor, Tensor]:
        """From a dense grid, each end then refined by steps along the gradient."""
        axis = torch.linspace(-REACH, REACH, GRID, dtype=weights.dtype)
        grid = torch.cartesian_prod(axis, axis)
        scalar = (self._grid_values(grid) * weights.unsqueeze(1)).sum(-1)
        return -self._climb(grid[(-scalar).argmax(1)], -weights), self._climb(grid[scalar.argmax(1)], weights)

    def _grid_values(self, grid: Float[Tensor, "G 2"]) -> Float[Tensor, "W G K"]:
        distance = (grid[None, :, None] - self.centres.unsqueeze(1)).square().sum(-1)
        spread = (self.widths.square() + self.sigma**2).unsqueeze(1)
        smoothed = (self.widths.square().unsqueeze(1) / spread) * (-0.5 * distance / spread).exp()
        return smoothed @ self.heights

    def _climb(self, theta: Thetas, weights: Weights, steps: int = 100, rate: float = 0.05) -> Float[Tensor, "W"]:
        best = (weights * self.closed_form(theta)[0]).sum(-1)
        for _ in range(steps):
            theta = theta + rate * torch.einsum("wk,wkn->wn", weights, self.closed_form(theta)[1])
            best = torch.maximum(best, (weights * self.closed_form(theta)[0]).sum(-1))
        return best

    def _smoothed(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """theta - c (W, ..., B, 2), v (W, ..., B) and the bumps' means under the policy (W, ..., B)."""
        away = theta.unsqueeze(-2) - self._like(self.centres, theta)
        square = self._like(self.widths.square().unsqueeze(-1), theta).squeeze(-1)
        spread = square + self.sigma**2
        return away, spread, square / spread * (-0.5 * away.square().sum(-1) / spread).exp()

    @staticmethod
    def _like(bumps: Tensor, theta: Tensor) -> Tensor:
        """(W, B, X) with axes of length 1 for the middle ones of ``theta``."""
        return bumps.reshape(len(bumps), *(1,) * (theta.dim() - 2), *bumps.shape[1:])
