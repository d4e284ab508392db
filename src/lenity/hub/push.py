"""Pushes a run's adapter or merged model to the Hugging Face hub. huggingface_hub alone reads and stores the token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from lenity.errors import HubError
from lenity.hub.contents import contents, names_for
from lenity.runs.folder import RunFolder

LOGIN = "Run `hf auth login`, or set HF_TOKEN to a token with write access."


def push_to_hub(
    run: RunFolder | str | Path, repo: str, *, private: bool | None = None, revision: str | None = None,
    base_model: str | None = None, merge: bool = False, license: str | None = None, api: Any = None,  # noqa: A002
) -> str:  # fmt: skip
    """Publish a finished run with a model card; other files in the repository stay.

    Args:
        run: the run or its folder.
        repo: ``owner/name``, created where it is missing; without an owner, it belongs to the token's.
        private: whether a new repository is private; default: as the owner's settings say.
        revision: branch, created where it is missing; default: main.
        base_model: hub name of the base model, where training read a local copy of it.
        merge: push the merged model in place of the adapter.
        license: identifier from the hub's list, for the card.
        api: a ``huggingface_hub.HfApi``; default: one with the stored token or ``HF_TOKEN``, at ``HF_ENDPOINT``.

    Returns:
        The URL of the commit.

    Raises:
        CheckpointError: the run is not finished.
        HubError: no token, or one without write access; an invalid name; the hub cannot be reached; see also :mod:`lenity.hub.contents`.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    run = run if isinstance(run, RunFolder) else RunFolder(run)
    check_name(repo)
    names = names_for(run, repo, base_model, merge=merge, license=license)
    api = api or HfApi()
    with _explained(repo, api), contents(run, names) as files:
        _require_token(api)
        repo_id = api.create_repo(repo, private=private, exist_ok=True).repo_id
        if revision:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        additions = [CommitOperationAdd(name, content) for name, content in files.items()]
        commit = api.create_commit(repo_id, additions, commit_message="Upload with Lenity", revision=revision)
    return str(commit.commit_url)


def check_name(repo: str) -> None:
    """Raise HubError where ``repo`` cannot be the name of a repository, before anything is read or sent."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise HubError(f"'{repo}' is no valid name of a repository ({_line(error)}).", "Write owner/name.") from error


def _require_token(api: Any) -> None:
    from huggingface_hub import get_token

    if not (api.token or get_token()):
        raise HubError("there is no token for the hub on this machine.", LOGIN)


@contextmanager
def _explained(repo: str, api: Any) -> Iterator[None]:
    """Turns the client's exceptions into HubError with a remedy, without a token or the user part of the address."""
    from huggingface_hub.errors import HfHubHTTPError

    host = urlsplit(api.endpoint).hostname
    transport = cast("type[Exception]", HfHubHTTPError.__mro__[1])  # of whichever HTTP client huggingface_hub uses
    try:
        yield
    except HfHubHTTPError as error:
        raise HubError(*_texts(repo, host, error)) from None
    except (transport, ConnectionError) as error:
        raise HubError(
            f"{host} cannot be reached ({type(error).__name__}: {_line(error)}).",
            "Check the connection and HF_ENDPOINT, then run the same command again.",
        ) from None


def _texts(repo: str, host: str | None, error: Any) -> tuple[str, str]:
    status = error.response.status_code if error.response is not None else None
    reason = error.server_message or _line(error)
    if status == 401:
        return f"{host} rejects the token ({reason}).", LOGIN
    if status == 403:
        return (
            f"the token has no write access to '{repo}' at {host} ({reason}).",
            "Use a token that has, or a repository of your own.",
        )
    if status == 404:
        return (
            f"{host} has no '{repo}', or this token cannot see it ({reason}).",
            "Check the name, and who has access.",
        )
    return (
        f"{host} refused '{repo}' with status {status} ({reason}).",
        "Change what the message names, or try again later.",
    )


def _line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip().rstrip(".")
