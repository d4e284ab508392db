"""The published files of a run: weights as safetensors, a card, settings. No responses, prompts, local paths or keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from lenity.card import Names, card, read_by
from lenity.card.public import is_local, public
from lenity.config.suggest import command
from lenity.errors import CheckpointError, HubError
from lenity.evaluation import protocol
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder

Contents = Mapping[str, Any]  # name in the repository -> path of a file, or bytes

WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"
PRIVATE = {"output", "checkpoint", "logging"}  # sections about this machine alone
PLACES = {"_name_or_path", "name_or_path"}  # fields of transformers' files that may hold a local folder
TOKEN = re.compile(r"\b(hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,})")


def names_for(run: RunFolder, repo: str, base: str | None, *, merge: bool, license: str | None) -> Names:  # noqa: A002
    """The names under which the run's model is published.

    Args:
        run: a finished run.
        repo: repository to push to.
        base: hub name of the base model; required where training read a local folder, unless ``merge``.
        merge: the adapter will be merged into its base model.
        license: identifier from the hub's list.

    Raises:
        CheckpointError: the run is not finished.
        HubError: the base model has no hub name.
    """
    if not run.finished:
        raise CheckpointError(
            f"the run '{run.path}' is not finished, so there is nothing to push.",
            f"Finish it with `{command('train', run.path / 'config.yaml', '--resume')}`.",
        )
    used = _base(run)
    copied = is_local(used) or Path(used).expanduser().exists()
    if copied and base is None and not merge:
        raise HubError(
            f"the adapter's base model is '{used}', a folder of this machine, which nobody else can load.",
            "Name the same model on the hub with --base-model NAME, or push a merged model with --merge.",
        )
    if base is not None and is_local(base):
        raise HubError(f"--base-model is '{base}', which is no hub name.", "Write owner/name.")
    return Names(repo, base or (None if copied else used), copied and base is not None, merge, license)


@contextmanager
def contents(run: RunFolder, names: Names) -> Iterator[Contents]:
    """A context with the files by their name in the repository; merged weights are deleted at its end.

    Raises:
        HubError: a file contains something like a key.
    """
    from lenity.card.results import Results

    config, results = run.config, Results.of(run)
    with TemporaryDirectory() as folder:
        files: dict[str, Path | bytes] = dict(_merged(run, Path(folder)) if names.merged else _adapter(run, names))
        files["README.md"] = card(config, run.metrics(), results, names, prompt=read_by(run)).encode()
        files["lenity_config.yaml"] = _yaml(_settings(config, names))
        if results:
            files["lenity_protocol.yaml"] = _yaml(public(protocol.load(run.path).model_dump(mode="json")))
        for name, content in files.items():
            if isinstance(content, bytes) and TOKEN.search(content.decode()):
                raise HubError(f"{name} would contain something like a key.", "Remove it from the run's config.yaml.")
        yield files


def _base(run: RunFolder) -> str:
    """The base model that the adapter names: in the run's folder, where the policy itself was an adapter and was merged."""
    settings = json.loads((run.adapter / SETTINGS).read_text(encoding="utf-8"))
    return str(settings.get("base_model_name_or_path") or run.config.policy.model)


def _adapter(run: RunFolder, names: Names) -> Iterator[tuple[str, Path | bytes]]:
    settings = json.loads((run.adapter / SETTINGS).read_text(encoding="utf-8"))
    settings |= {"base_model_name_or_path": names.base}
    if names.copied:
        settings["revision"] = None
    yield WEIGHTS, run.adapter / WEIGHTS
    yield SETTINGS, (json.dumps(public(settings), indent=2) + "\n").encode()


def _merged(run: RunFolder, folder: Path) -> Iterator[tuple[str, Path | bytes]]:
    """The files of the merged model: merged in the precision of training, stored in that of the base model."""
    import torch
    from transformers import AutoConfig

    from lenity.models.merge import merge, save
    from lenity.runs.aligned import load_aligned

    policy = run.config.policy
    model, tokenizer = load_aligned(run, torch.device("cpu"))
    trusted = policy.trust_remote_code
    stored = AutoConfig.from_pretrained(_base(run), revision=policy.revision, trust_remote_code=trusted).dtype
    save(merge(model).to(stored or model.dtype), folder)
    tokenizer.save_pretrained(folder)
    for file in sorted(folder.iterdir()):
        text = file.suffix == ".json" and file.name not in {"tokenizer.json", "vocab.json"}
        yield file.name, _placeless(file) if text else file


def _placeless(file: Path) -> bytes:
    """A JSON file without the local folders that transformers writes into it."""
    data: Any = json.loads(file.read_text(encoding="utf-8"))
    if isinstance(data, dict):
        data = {name: value for name, value in data.items() if name not in PLACES}
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _settings(config: RunConfig, names: Names) -> dict[str, Any]:
    data = config.dump()
    data["policy"]["model"] = names.base or data["policy"]["model"]
    settings: dict[str, Any] = public({name: value for name, value in data.items() if name not in PRIVATE})
    return settings


def _yaml(data: Any) -> bytes:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode()
