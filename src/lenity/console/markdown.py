"""Names and values inside Markdown, where they must not become markup."""

from __future__ import annotations

import html
from typing import Any


def inline(value: Any) -> str:
    r"""``value`` as text of one line, also in a cell of a table.

    >>> inline("a|b\n<script>")
    'a\\|b &lt;script&gt;'
    """
    return html.escape(" ".join(str(value).splitlines()), quote=False).replace("|", "\\|")
