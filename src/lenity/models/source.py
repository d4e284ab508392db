"""Why a model could not be loaded, by hub name or from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lenity.errors import LenityError, ModelError


@contextmanager
def loading(what: str, model: str, remedy: str, kind: type[LenityError] = ModelError) -> Iterator[None]:
    """Turns whatever the libraries raise while they load a model's files into ``kind``, but for a lack of memory.

    Args:
        what: the field or role, such as ``policy.model``.
        model: hub name or folder.
        remedy: how a missing folder comes into being.
        kind: of error.
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
    """What is wrong, with the field, the value and the cause; and what to do.

    Args:
        what: the field or role, such as ``policy.model``.
        model: hub name or folder.
        error: of transformers.
        remedy: how a missing folder comes into being.
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
            f"Name the one that save_pretrained wrote, or {remedy}.",
        )
    if "trust_remote_code" in str(error):
        return (
            f"{what} is '{model}', which comes with code of its own.",
            "Read it, and set trust_remote_code to true if you trust it.",
        )
    lines = str(error).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    if lines and not isinstance(error, (OSError, ValueError)):
        reason = f"{type(error).__name__}: {reason}"
    return (
        f"cannot load {what} '{model}': {reason}",
        "Weights must be safetensors; check the name, the revision and the connection.",
    )
