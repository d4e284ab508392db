"""``lenity templates``: every template with its purpose, its fields and its origin."""

from __future__ import annotations

from lenity.cli.members import listing
from lenity.data.templates import Template

command = listing(Template, "template")
