"""``lenity methods``: every method with its purpose, its fields and its origin."""

from __future__ import annotations

from lenity.cli.members import listing
from lenity.rules.base import Rule

command = listing(Rule, "method")
