"""Files of rows as a user might have them: torn, mixed up, empty."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st

from fuzz.configs import MEMORY
from fuzz.hostile import edited, edits
from fuzz.transcripts import texts
from lenity.data.loading import load_columns

_place = Path(tempfile.mkdtemp(prefix="lenity-fuzz-", dir=MEMORY))
_numbers = itertools.count()

ROW = {"text": "\n\nHuman: Hi\n\nAssistant: Hello", "label": 1}
LINES = {".jsonl": json.dumps(ROW) + "\n" + json.dumps(ROW), ".json": json.dumps([ROW, ROW]), ".csv": 'text,label\n"a ""b"", c",1\nd,0\n', ".parquet": "PAR1"}  # fmt: skip
cells = texts | st.none() | st.integers() | st.floats() | st.lists(texts, max_size=2)
lines = st.lists(
    st.dictionaries(st.sampled_from(["text", "label", ""]) | texts, cells, max_size=3).map(json.dumps), max_size=3
).map("\n".join)

contents = st.sampled_from([*LINES]).flatmap(
    lambda suffix: st.tuples(st.just(suffix), st.builds(edited, st.just(LINES[suffix]) | lines, st.lists(edits, max_size=2)))
)  # fmt: skip
FILES = st.tuples(contents, st.booleans(), st.binary(max_size=2))


def read_rows(given: Any) -> None:
    """A hostile file; what comes out of it is text."""
    import datasets

    (suffix, text), zipped, junk = given
    file = _place / f"{next(_numbers)}{suffix}{'.gz' if zipped else ''}"
    content = text.encode(errors="surrogatepass") + junk
    file.write_bytes(gzip.compress(content) if zipped else content)
    logging.disable(logging.ERROR)  # the library's own words on each
    try:
        with patch.object(datasets.config, "HF_DATASETS_CACHE", _place / "cache"):
            rows, report = load_columns(str(file), ["text"])
    finally:
        logging.disable(logging.NOTSET)
        file.unlink()
        shutil.rmtree(_place / "cache", ignore_errors=True)
    assert all(row["text"].strip() for row in rows) and report.kept == len(rows) <= report.read
