"""From rewards and values to advantages, one an objective."""

from lenity.advantages.gae import gae

__all__ = ["gae"]
