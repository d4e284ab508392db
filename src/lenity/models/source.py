"""Errors for models that cannot be loaded, by hub name or from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lenity.errors import LenityError, ModelError


@contextmanager
def loading(what: str, model: str, remedy: str, kind: type[LenityError] = ModelError) -> Iterator[None]:
    """A context that turns any error of the libraries while they load a model's files, except out of memory, into ``kind``.

    Args:
        what: the field or role, such as ``policy.model``.
        model: hub name or folder.
        remedy: how to create a missing folder.
        kind: type of the error.
    """
    try:
        yield
    except LenityError:
        raise
    except Exception as error:
        from lenity.distributed.memory import ran_out

        if ran_out(error):
            raise
        raise kind(*explain(what, model, error, remedy)) from error


def explain(what: str, model: str, error: Exception, remedy: str) -> tuple[str, str]:
    """The two sentences of the error: the field, value and cause, and the remedy.

    Args:
        what: the field or role, such as ``policy.model``.
        model: hub name or folder.
        error: the error of the library.
        remedy: how to create a missing folder.
    """
    folder = Path(model).expanduser()
    is_path = (
        model.startswith((".", "/", "~"))
        or model.count("/") > 1
        or (folder.parent != Path() and folder.parent.is_dir())
    )
    if is_path and not folder.is_dir():
        return f"{what} is '{model}', a folder that does not exist.", f"Check the path, or {remedy}."
    if folder.is_dir() and not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        return (
            f"{what} is '{model}', a folder that has no config.json.",
            f"Name a folder that save_pretrained wrote, or {remedy}.",
        )
    if "trust_remote_code" in str(error):
        return (
            f"{what} is '{model}', which contains code that would be executed.",
            "Read the code, and set trust_remote_code to true if you trust it.",
        )
    lines = str(error).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    if lines and not isinstance(error, (OSError, ValueError)):
        reason = f"{type(error).__name__}: {reason}"
    return (
        f"cannot load {what} '{model}': {reason}",
        "Weights must be safetensors; check the name, the revision and the connection.",
    )
