"""``lenity readers``: every reader of prompts with its purpose, its fields and its origin."""

from __future__ import annotations

from lenity.cli.members import listing
from lenity.data.base import PromptSource

command = listing(PromptSource, "prompts")
