"""A run's adapter, or its merged model, to a repository of the Hugging Face hub. The token is huggingface_hub's own affair."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from lenity.errors import HubError
from lenity.hub.contents import contents, names_for
from lenity.runs.folder import RunFolder

LOGIN = "Run `hf auth login`, or set HF_TOKEN to a token that may write."


def push_to_hub(
    run: RunFolder | str | Path, repo: str, *, private: bool | None = None, revision: str | None = None,
    base_model: str | None = None, merge: bool = False, license: str | None = None, api: Any = None,  # noqa: A002
) -> str:  # fmt: skip
    """Publish a finished run with a model card; what is in the repository beside its files stays.

    Args:
        run: its folder.
        repo: ``owner/name``, made where it is missing; a bare name is one of the token's owner.
        private: whether a new repository is; default: as the owner's settings say.
        revision: branch, made where it is missing; default: main.
        base_model: hub name of the base model where training read a local copy of it.
        merge: push base and adapter as one model.
        license: identifier of the hub's list, for the card.
        api: a ``huggingface_hub.HfApi``; default: one with the stored token or ``HF_TOKEN``, at ``HF_ENDPOINT``.

    Returns:
        The address of the commit.

    Raises:
        CheckpointError: the run is not finished.
        HubError: no token, or one that may not write; a wrong name; a hub that does not answer; see also :mod:`lenity.hub.contents`.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    run = run if isinstance(run, RunFolder) else RunFolder(run)
    check_name(repo)
    names = names_for(run, repo, base_model, merge=merge, license=license)
    api = api or HfApi()
    with _explained(repo, api), contents(run, names) as files:
        _require_token(api)
        where = api.create_repo(repo, private=private, exist_ok=True).repo_id
        if revision:
            api.create_branch(where, branch=revision, exist_ok=True)
        additions = [CommitOperationAdd(name, content) for name, content in files.items()]
        done = api.create_commit(where, additions, commit_message="Upload with Lenity", revision=revision)
    return str(done.commit_url)


def check_name(repo: str) -> None:
    """Refuse what cannot be a repository's name, before anything is read or sent."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise HubError(f"'{repo}' is no name of a repository ({_line(error)}).", "Write owner/name.") from error


def _require_token(api: Any) -> None:
    from huggingface_hub import get_token

    if not (api.token or get_token()):
        raise HubError("there is no token of the hub on this machine.", LOGIN)


@contextmanager
def _explained(repo: str, api: Any) -> Iterator[None]:
    """Turns what the client raises into what to do; never with a token or with the address's user part."""
    from huggingface_hub.errors import HfHubHTTPError

    host = urlsplit(api.endpoint).hostname
    transport = cast("type[Exception]", HfHubHTTPError.__mro__[1])  # of whichever HTTP client huggingface_hub uses
    try:
        yield
    except HfHubHTTPError as error:
        raise HubError(*_answer(repo, host, error)) from None
    except (transport, ConnectionError) as error:
        raise HubError(
            f"{host} cannot be reached ({type(error).__name__}: {_line(error)}).",
            "Check the connection and HF_ENDPOINT, then run the same command again.",
        ) from None


def _answer(repo: str, host: str | None, error: Any) -> tuple[str, str]:
    status = error.response.status_code if error.response is not None else None
    told = error.server_message or _line(error)
    if status == 401:
        return f"{host} does not know the token ({told}).", LOGIN
    if status == 403:
        return (
            f"the token may not write to '{repo}' at {host} ({told}).",
            "Use one that may, or a repository of your own.",
        )
    if status == 404:
        return (
            f"{host} has no '{repo}', or hides it from this token ({told}).",
            "Check the name, and who may write there.",
        )
    return f"{host} refused '{repo}' with status {status} ({told}).", "Change what it names, or try again later."


def _line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip().rstrip(".")
