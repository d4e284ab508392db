"""Finished runs pushed to the Hugging Face hub."""

from lenity.hub.push import push_to_hub

__all__ = ["push_to_hub"]
