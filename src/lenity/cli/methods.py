"""``lenity methods``: every method with its purpose, its fields and its origin."""

from __future__ import annotations

from lenity.cli.members import listing
from lenity.runs.method import Method

command = listing(Method, "method")
