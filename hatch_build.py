"""The README as a package index shows it: links into the repository are absolute, from ``Repository`` in ``[project.urls]``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

try:
    from hatchling.metadata.plugin.interface import MetadataHookInterface
except ModuleNotFoundError:  # the tests need no build backend
    MetadataHookInterface = object

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#|mailto:)([^)\s]+)\)")


def absolute(text: str, repository: str | None) -> str:
    """``text`` with every relative link of Markdown absolute; without a repository, links become their words and pictures go.

    >>> absolute("[a](docs/a.md) ![b](b.svg)", "https://host/me/it")
    '[a](https://host/me/it/blob/main/docs/a.md) ![b](https://host/me/it/raw/main/b.svg)'
    >>> absolute("[a](docs/a.md)![b](b.svg) [c](https://c.org)", None)
    'a [c](https://c.org)'
    """

    def replaced(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        if repository is None:
            return "" if picture else words
        return f"{picture}[{words}]({repository.rstrip('/')}/{'raw' if picture else 'blob'}/main/{target})"

    return LINK.sub(replaced, text)


class ReadmeHook(MetadataHookInterface):
    """Fills in ``readme``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling with the ``[project]`` table."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = metadata.get("urls", {}).get("Repository")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, repository)}
