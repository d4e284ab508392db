"""``lenity estimators``: every estimator with its purpose, its fields and its origin."""

from __future__ import annotations

from lenity.cli.members import listing
from lenity.estimators import Estimator

command = listing(Estimator, "estimator")
