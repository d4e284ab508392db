"""Estimators turn the rewards of each token into advantages, one per objective; they know nothing of rules or weights."""

from lenity.estimators.base import ESTIMATORS, Estimate, Estimator
from lenity.estimators.critic import Critic
from lenity.estimators.group import Group
from lenity.estimators.leave_one_out import LeaveOneOut

__all__ = ["ESTIMATORS", "Critic", "Estimate", "Estimator", "Group", "LeaveOneOut"]
