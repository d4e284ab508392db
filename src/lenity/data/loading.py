"""One call to ``datasets.load_dataset`` for hub names, local folders and single files, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lenity.data.base import ReadReport
from lenity.errors import DataError

FILE_BUILDERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}


def load_columns(
    dataset: str,
    columns: Sequence[str],
    *,
    subset: str | None = None,
    split: str = "train",
    text: Sequence[str] | None = None,
) -> tuple[list[dict[str, Any]], ReadReport]:
    """The named columns of every row of a split.

    Args:
        dataset: hub name, local folder, or a ``.jsonl``, ``.json``, ``.csv`` (also ``.gz``) or ``.parquet`` file.
        columns: columns wanted; another data set than expected raises with the columns it has.
        subset: sub-folder of the data set (``data_dir``).
        split: split of the data set; a single file is one split whatever its name.
        text: those of ``columns`` that must hold text (default: all); other rows are dropped and counted.

    Raises:
        DataError: not found, empty, or without the columns.
    """
    place = dataset + (f"/{subset}" if subset else "") + f" ({split})"
    table = _load(dataset, subset, split)
    if missing := [name for name in columns if name not in table.column_names]:
        raise DataError(
            f"'{place}' has no column {missing}; its columns are {table.column_names}. Name one of them in the configuration."
        )
    report = ReadReport(place, read=len(table))
    if not len(table):
        raise DataError(f"'{place}' is empty; check the split and the file.")
    try:
        rows = table.select_columns(list(columns)).to_list()
    except UnicodeDecodeError as error:
        raise DataError(f"'{place}' holds text that is no UTF-8: {error}.", "Save the file again as UTF-8.") from error
    kept = [row for row in rows if all(isinstance(row[name], str) and row[name].strip() for name in text or columns)]
    report.drop("without text", len(rows) - len(kept))
    report.kept = len(kept)
    if not kept:
        raise DataError(f"no row of '{place}' has text in {list(text or columns)}; its columns hold {table.features}.")
    return kept, report


def every(items: Sequence[Any], limit: int | None) -> list[Any]:
    """``limit`` items at even steps; all of them where there are fewer.

    >>> every(range(10), 4)
    [0, 2, 5, 7]
    """
    if limit is None or limit >= len(items):
        return list(items)
    return [items[i * len(items) // limit] for i in range(limit)]


def _load(dataset: str, subset: str | None, split: str) -> Any:
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars, load_dataset

    arguments: dict[str, Any] = {"data_dir": subset} if subset else {}
    name = dataset
    path = Path(dataset).expanduser()
    if path.is_file():
        suffix = next((s for s in reversed(path.suffixes) if s in FILE_BUILDERS), None)
        if suffix is None:
            raise DataError(
                f"'{dataset}' is not one of {', '.join(FILE_BUILDERS)} (the text formats may be .gz); convert it."
            )
        name, split, arguments = FILE_BUILDERS[suffix], "train", {"data_files": {"train": str(path)}}
    elif path.is_dir():
        name = str(path)
        _check_folder(path, subset)
    elif dataset.startswith((".", "/", "~")) or dataset.count("/") > 1 or path.suffix in FILE_BUILDERS:
        raise DataError(
            f"'{dataset}' not found; give an existing folder or file (from the working directory '{Path.cwd().name}') or a hub name."
        )
    quiet = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        return load_dataset(name, split=split, **arguments)  # nosec B615  # rows, never code
    except Exception as error:  # the library raises many kinds: offline, not found, unreadable, unknown split
        reason = str(error).strip().splitlines()
        raise DataError(
            f"cannot load '{dataset}'{f', subset {subset!r}' if subset else ''}, split '{split}': "
            f"{reason[0] if reason else type(error).__name__}. Check the name, the split and the connection to the hub."
        ) from error
    finally:
        if not quiet:
            enable_progress_bars()


def _check_folder(path: Path, subset: str | None) -> None:
    folder = path / subset if subset else path
    if not folder.is_dir():
        known = ", ".join(sorted(p.name for p in path.iterdir() if p.is_dir())) or "none"
        raise DataError(f"'{path}' has no sub-folder '{subset}'; its sub-folders are: {known}.")
