"""Names and values escaped for Markdown."""

from __future__ import annotations

import html
from typing import Any


def inline(value: Any) -> str:
    r"""``value`` as one line of text that Markdown renders literally, also in a cell of a table.

    >>> inline("a|b\n<script>")
    'a\\|b &lt;script&gt;'
    """
    return html.escape(" ".join(str(value).splitlines()), quote=False).replace("|", "\\|")
