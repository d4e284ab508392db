"""Templates: how a conversation becomes text, for a policy to continue or a reward to read."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

from lenity.config.base import Section
from lenity.config.registry import Registry
from lenity.data.conversation import Conversation

TEMPLATES: Registry[Template] = Registry("template", "lenity.templates", ("lenity.data.human_assistant",))


class Template(Section):
    """One way to write conversations."""

    open_set: ClassVar[Registry[Any]] = TEMPLATES

    @abc.abstractmethod
    def prompt(self, conversation: Conversation) -> str:
        """The text up to where the assistant's next turn begins."""

    def transcript(self, conversation: Conversation, response: str) -> str:
        """The text with the assistant's next turn, as the policy wrote it."""
        return self.prompt(conversation) + response
