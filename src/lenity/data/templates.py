"""Templates, which render a conversation as text for a policy to continue or a reward to score."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

from lenity.config.base import Section
from lenity.config.registry import Registry
from lenity.data.conversation import Conversation

TEMPLATES: Registry[Template] = Registry("template", "lenity.templates", ("lenity.data.human_assistant",))


class Template(Section):
    """The base class of templates."""

    open_set: ClassVar[Registry[Any]] = TEMPLATES

    @abc.abstractmethod
    def prompt(self, conversation: Conversation) -> str:
        """The text of the conversation up to the beginning of the assistant's next turn."""

    def transcript(self, conversation: Conversation, response: str) -> str:
        """The text of the conversation with ``response`` as the assistant's next turn."""
        return self.prompt(conversation) + response
