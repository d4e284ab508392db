"""Finished runs on a model hub."""

from lenity.hub.push import push_to_hub

__all__ = ["push_to_hub"]
