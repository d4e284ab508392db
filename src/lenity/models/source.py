"""Why a model could not be loaded, by hub name or from a folder."""

from __future__ import annotations

from pathlib import Path


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
    if folder.is_dir() and not (folder / "config.json").is_file():
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
    return (
        f"cannot load {what} '{model}': {reason}",
        "Weights must be safetensors; check the name, the revision and the connection.",
    )
