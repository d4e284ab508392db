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

from lenity.lab.world import Advantage, Point, Thetas, Values, Weights, Worlds

REACH = 4.0  # theta beyond this is not searched for the optimum; bumps lie well inside
GRID = 65
NEWTON_STEPS = 12


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
        """The selected worlds, by index or boolean mask."""
        nodes = len(self.z)
        return Landscapes(self.centres[rows], self.widths[rows], self.heights[rows], self.sigma, nodes)

    def finer(self, nodes: int) -> Landscapes:
        """The same worlds with another number of quadrature nodes per axis: gates have a kink, at which quadrature converges slowly."""
        return Landscapes(self.centres, self.widths, self.heights, self.sigma, nodes)

    def at(self, theta: Thetas) -> Point:
        """The exact point of the policies; one sample per quadrature node, A_k = r_k - J_k."""
        rewards = self._rewards(theta)
        values = self.shares @ rewards
        weighted = (self.shares.unsqueeze(-1) * self.scores).T

        def policy_gradient(advantage: Advantage) -> Tensor:
            return (weighted @ advantage).transpose(1, 2)

        probabilities = self.shares.expand(len(theta), -1)
        return Point(values, probabilities, rewards - values.unsqueeze(1), policy_gradient)

    def _rewards(self, theta: Thetas) -> Float[Tensor, "W M K"]:
        """The rewards at the nodes; a bump is a product of one factor per axis."""
        nodes = theta.unsqueeze(-1) + self.sigma * self.z  # (W, 2, Q)
        distance = nodes.unsqueeze(1) - self.centres.unsqueeze(-1)  # (W, B, 2, Q)
        factors = (-0.5 * (distance / self.widths[..., None, None]).square()).exp()
        bumps = (factors[:, :, 0].unsqueeze(-1) * factors[:, :, 1].unsqueeze(-2)).flatten(2)  # (W, B, M)
        return bumps.transpose(1, 2) @ self.heights

    def closed_form(self, theta: Thetas) -> tuple[Values, Float[Tensor, "W K 2"]]:
        """J and its Jacobian, in closed form."""
        away, spread, bumps = self._smoothed(theta)
        values = torch.einsum("wb,wbk->wk", bumps, self.heights)
        return values, -torch.einsum("wb,wbk,wbn->wkn", bumps / spread, self.heights, away)

    def hessian(self, theta: Thetas, weights: Weights) -> Float[Tensor, "W 2 2"]:
        """The Hessian of w . J, (W, 2, 2), in closed form."""
        away, spread, bumps = self._smoothed(theta)
        height = (self.heights * weights.unsqueeze(1)).sum(-1) * bumps / spread
        outer = torch.einsum("wb,wbi,wbj->wij", height / spread, away, away)
        return outer - height.sum(1)[:, None, None] * torch.eye(2, dtype=theta.dtype)

    def stationary_near(self, theta: Thetas, weights: Weights) -> Thetas:
        """The parameters after Newton steps on the gradient of w . J, in closed form; steps are limited to length .2."""
        for _ in range(NEWTON_STEPS):
            gradient = torch.einsum("wk,wkn->wn", weights, self.closed_form(theta)[1])
            step = torch.linalg.lstsq(self.hessian(theta, weights), gradient.unsqueeze(-1)).solution.squeeze(-1)
            length = step.norm(dim=1, keepdim=True).clamp(min=1e-300)
            theta = theta - step * (0.2 / length).clamp(max=1)
        return theta

    def on_grid(self, grid: Float[Tensor, "G 2"]) -> Float[Tensor, "W G K"]:
        """J, in closed form, at the same points in each world."""
        distance = (grid[None, :, None] - self.centres.unsqueeze(1)).square().sum(-1)
        spread = (self.widths.square() + self.sigma**2).unsqueeze(1)
        return ((self.widths.square().unsqueeze(1) / spread) * (-0.5 * distance / spread).exp()) @ self.heights

    def attainable(self, weights: Weights) -> tuple[Tensor, Tensor]:
        """The least and the greatest w . J, (W,) each, from a grid over [-REACH, REACH]^2 refined by Newton steps."""
        axis = torch.linspace(-REACH, REACH, GRID, dtype=weights.dtype)
        grid = torch.cartesian_prod(axis, axis)
        scalar = (self.on_grid(grid) * weights.unsqueeze(1)).sum(-1)
        lowest, highest = (self._refined(grid[choose(1)], weights) for choose in (scalar.argmin, scalar.argmax))
        return torch.minimum(scalar.amin(1), lowest), torch.maximum(scalar.amax(1), highest)

    def _refined(self, theta: Thetas, weights: Weights) -> Float[Tensor, " W"]:
        return (weights * self.closed_form(self.stationary_near(theta, weights))[0]).sum(-1)

    def _smoothed(self, theta: Thetas) -> tuple[Tensor, Tensor, Tensor]:
        """The offsets theta - c, (W, B, 2), the variances v, (W, B), and the bumps' means under the policy, (W, B)."""
        away, square = theta.unsqueeze(1) - self.centres, self.widths.square()
        spread = square + self.sigma**2
        return away, spread, square / spread * (-0.5 * away.square().sum(-1) / spread).exp()
