"""Rows of hub data sets, local folders and single files, with a count of the rows that cannot be used."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lenity.data.base import ReadReport
from lenity.data.lines import bare, is_unicode, not_utf8, read_json
from lenity.errors import DataError

FILE_BUILDERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv", ".tsv": "csv"}
MARK = "="  # prefix of CSV cells that pandas must not convert
LONGER = "Length of header or names does not match length of data"  # pandas' warning on rows of a CSV file
TEXT = {".jsonl", ".json", ".csv", ".tsv", ".gz"}


def load_columns(
    dataset: str,
    columns: Sequence[str],
    *,
    subset: str | None = None,
    split: str = "train",
    text: Sequence[str] | None = None,
    others: Sequence[str] | None = (),
) -> tuple[list[dict[str, Any]], ReadReport]:
    """The named columns of every row of a split, and the report.

    Args:
        dataset: hub name, local folder, or a ``.jsonl``, ``.json``, ``.csv``, ``.tsv`` (also ``.gz``) or ``.parquet`` file.
        columns: columns that the data set must have.
        subset: sub-folder of the data set (``data_dir``).
        split: split of the data set, or a slice of one such as ``train[:90%]``; a single file is one split whatever its name.
        text: those of ``columns`` that must hold text (default: all); other rows, also those with half of a surrogate pair, are
            dropped and counted.
        others: more columns, if the data set has them; None for all that it has.

    Raises:
        DataError: the data set is not found, unreadable, empty, or lacks the columns; the message names the line of an error in a text
            file.
    """
    place = dataset + (f"/{subset}" if subset else "") + f" ({split})"
    texts = text or columns
    names, rows = _rows(dataset, None if others is None else [*columns, *others], texts, subset, split)
    if "[" in split and is_file(dataset):
        rows = _sliced(rows, split)
    missing = [name for name in columns if name not in names]
    if names and missing:
        raise DataError(
            f"'{place}' has no column {missing}; its columns are {names}.", "Name one of them in the configuration."
        )
    if not rows:
        raise DataError(f"'{place}' is empty.", "Check the split and the file.")
    report = ReadReport(place, read=len(rows))
    filled = [row for row in rows if all(isinstance(row[name], str) and bare(row[name]) for name in texts)]
    report.drop("without text", len(rows) - len(filled))
    kept = [row for row in filled if all(is_unicode(row[name]) for name in texts)]
    report.drop("with half of a surrogate pair", len(filled) - len(kept))
    report.kept = len(kept)
    if not kept:
        raise DataError(
            f"no row of '{place}' has text in {list(texts)}; the first holds {str(rows[0])[:200]}.",
            "Name a column of text in the configuration.",
        )
    return kept, report


def evenly_spaced(items: Sequence[Any], limit: int | None) -> list[Any]:
    """``limit`` evenly spaced items; all of them if there are fewer.

    >>> evenly_spaced(range(10), 4)
    [0, 2, 5, 7]
    """
    if limit is None or limit >= len(items):
        return list(items)
    return [items[i * len(items) // limit] for i in range(limit)]


def is_file(dataset: str) -> bool:
    """Whether the data set is a single file, whose rows are the same under any split name."""
    return Path(dataset).expanduser().is_file()


def split_names(split: str) -> set[str]:
    """The splits that an expression takes rows from.

    >>> sorted(split_names("train[:10%]+test"))
    ['test', 'train']
    """
    return {part.partition("[")[0].strip() for part in split.split("+")}


def _sliced(rows: list[dict[str, Any]], split: str) -> list[dict[str, Any]]:
    """The rows of a file that ``split`` names, as ``datasets`` counts them in a split of that name."""
    from datasets import ReadInstruction

    try:
        parts = ReadInstruction.from_spec(split).to_absolute(dict.fromkeys(split_names(split), len(rows)))
    except (ValueError, AssertionError) as error:
        raise DataError(
            f"split is '{split}', which is not a valid slice: {error}.", "Write it as train[:90%]."
        ) from error
    return [row for part in parts for row in rows[part.from_ : part.to]]


def _rows(
    dataset: str, columns: Sequence[str] | None, texts: Sequence[str], subset: str | None, split: str
) -> tuple[list[str], list[dict[str, Any]]]:
    """The names of all columns, and the rows with those of ``columns`` that exist, or with all."""
    arguments: dict[str, Any] = {"data_dir": subset} if subset else {}
    name = dataset
    path = Path(dataset).expanduser()
    if path.is_file():
        suffix = next((s for s in reversed(path.suffixes) if s in FILE_BUILDERS), None)
        if suffix is None:
            raise DataError(
                f"'{dataset}' is not one of {', '.join(FILE_BUILDERS)} (the text formats may be .gz).", "Convert it."
            )
        if suffix in {".jsonl", ".json"}:
            return read_json(path, columns)
        name, split, arguments = FILE_BUILDERS[suffix], "train", {"data_files": {"train": str(path)}}
        if suffix == ".tsv":
            arguments["sep"] = "\t"
    elif path.is_dir():
        name = str(path)
        _check_folder(path, subset)
    elif dataset.startswith((".", "/", "~")) or dataset.count("/") > 1 or path.suffix in FILE_BUILDERS:
        raise DataError(
            f"'{dataset}' not found from the working directory '{Path.cwd().name}'.",
            "Give an existing folder or file, or a hub name.",
        )
    try:
        return _through_datasets(name, columns, texts, split, arguments)
    except Exception as error:  # the library raises many kinds: offline, not found, unreadable, unknown split
        if fault := _not_utf8(path):
            raise DataError(f"{fault}.", "Save the file as UTF-8.") from error
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        lines = str(cause).strip().splitlines() or [type(cause).__name__]
        reason, remedy = (
            lines[0].rstrip("."),
            "Check the name, the split and the connection to the hub, or the file's contents.",
        )
        if "Parser" in type(cause).__name__:  # of pandas
            reason = "rows have more cells than the header" if reason.startswith(LONGER) else reason
            remedy = "Put a cell that holds a separator, a quote or a line end in double quotes, with every quote in it doubled."
        raise DataError(
            f"cannot load '{dataset}'{f', subset {subset!r}' if subset else ''}, split '{split}': {reason}.", remedy
        ) from error


def _through_datasets(
    name: str, columns: Sequence[str] | None, texts: Sequence[str], split: str, arguments: dict[str, Any]
) -> tuple[list[str], list[dict[str, Any]]]:
    """The columns and rows as ``datasets`` reads them; in a CSV file, cells of ``texts`` are not converted to numbers or missing values.

    If rows are longer than the header, pandas uses their first cells as row names unless ``index_col`` is False; with it, pandas warns
    of the cells that it drops.
    """
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars, load_dataset_builder
    from datasets.packaged_modules.csv.csv import CsvConfig
    from datasets.utils.logging import CRITICAL, get_verbosity, set_verbosity

    quiet, level = are_progress_bars_disabled(), get_verbosity()
    disable_progress_bars()
    set_verbosity(CRITICAL)  # an error is raised, not logged
    try:
        builder = load_dataset_builder(name, **arguments)  # nosec B615  # rows, never code
        if isinstance(builder.config, CsvConfig):
            marked = dict.fromkeys(texts, _marked)
            builder = load_dataset_builder(name, **arguments, converters=marked, index_col=False)  # nosec B615
        with warnings.catch_warnings():
            warnings.filterwarnings("error", LONGER)
            builder.download_and_prepare()
        table = builder.as_dataset(split=split)
    finally:
        set_verbosity(level)
        if not quiet:
            enable_progress_bars()
    selected = [column for column in table.column_names if columns is None or column in columns]
    rows: list[dict[str, Any]] = table.select_columns(selected).to_list()
    for row in rows if isinstance(builder.config, CsvConfig) else ():
        row |= {column: row[column][len(MARK) :] for column in texts if isinstance(row.get(column), str)}
    return table.column_names, rows


def _marked(cell: str) -> str:
    """A CSV cell with a prefix, so that pandas reads it neither as a number nor, as it does NA, null and None, as a missing value."""
    return MARK + cell


def _not_utf8(path: Path) -> str | None:
    """A message on the first line that is not UTF-8 in a local file or the files of a folder; None if there is none."""
    files = [path] if path.is_file() else sorted(path.rglob("*")) if path.is_dir() else []
    return next(filter(None, (not_utf8(file) for file in files if file.is_file() and file.suffix in TEXT)), None)


def _check_folder(path: Path, subset: str | None) -> None:
    folder = path / subset if subset else path
    if not folder.is_dir():
        sub_folders = ", ".join(sorted(p.name for p in path.iterdir() if p.is_dir())) or "none"
        raise DataError(f"'{path}' has no sub-folder '{subset}'.", f"Its sub-folders are: {sub_folders}.")
