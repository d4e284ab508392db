"""Advantages from rewards and values: per objective by the estimator, then combined by the rule."""

from lenity.estimators.critic import gae

__all__ = ["gae"]
