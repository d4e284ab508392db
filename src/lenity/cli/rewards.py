"""``lenity rewards``: every reward with its purpose, its fields and its origin."""

from __future__ import annotations

from lenity.cli.members import listing
from lenity.rewards.base import RewardSpec

command = listing(RewardSpec, "rewards.NAME")
