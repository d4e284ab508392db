"""From rewards and values to advantages: the estimator's, per objective, and what the rule makes of them."""

from lenity.estimators.critic import gae

__all__ = ["gae"]
