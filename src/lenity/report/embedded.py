"""Data within a page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup


def as_json(value: Any) -> Markup:
    r"""JSON that is safe within a script element: no ``<``, ``>`` or ``&`` is left in it.

    >>> print(as_json({"text": "</script>"}))
    {"text":"\u003c/script\u003e"}
    """
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  # nosec B704  # escaped above
