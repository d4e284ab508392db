"""What the source may not do, read from its syntax."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lenity
from lenity.toy.judge import Server

FILES = sorted(Path(lenity.__file__).parent.rglob("*.py"))
CODE_IN_DATA = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load"}  # fmt: skip


ALL = [(file, node) for file in FILES for node in ast.walk(ast.parse(file.read_text()))]


def nodes(*kinds):
    return [(file, node) for file, node in ALL if isinstance(node, kinds)]


def calls(name):
    return [(file, call) for file, call in nodes(ast.Call) if ast.unparse(call.func).endswith(name)]


def given(call, name):
    return next((ast.unparse(word.value) for word in call.keywords if word.arg == name), None)


def test_no_module_that_runs_what_it_reads_is_imported():
    for file, node in nodes(ast.Import, ast.ImportFrom):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        assert not {name.split(".")[0] for name in names} & CODE_IN_DATA, file


def test_no_text_is_run():
    for file, call in nodes(ast.Call):
        name = ast.unparse(call.func)
        assert name not in RUNS_TEXT and not name.endswith("read_pickle"), file
        assert given(call, "shell") is None and given(call, "allow_pickle") is None, file
        assert "Loader" not in [word.arg for word in call.keywords], file


def test_tensors_are_read_as_tensors():
    assert all(given(call, "weights_only") == "True" for _, call in calls("torch.load"))
    assert all(given(call, "safe_serialization") in {None, "True"} for _, call in nodes(ast.Call))


def test_code_of_a_model_is_trusted_by_the_configuration_alone():
    assert all(given(call, "trust_remote_code") != "True" for _, call in nodes(ast.Call))
    fields = [
        ast.unparse(node.value)
        for _, node in nodes(ast.AnnAssign)
        if ast.unparse(node.target) == "trust_remote_code" and node.value
    ]
    assert len(fields) == 3 and all(field.startswith("Field(False,") for field in fields)
    for file, node in nodes(ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in {"trust_remote_code", "use_safetensors"}:
                safe = ast.unparse(value).endswith(".trust_remote_code") or (key.value, ast.unparse(value)) == ("use_safetensors", "True")  # fmt: skip
                assert safe, file


def test_servers_are_of_this_machine_alone():
    strings = [node.value for _, node in nodes(ast.Constant) if isinstance(node.value, str)]
    assert not {"0.0.0.0", "::"} & set(strings)
    with Server() as server:
        assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("name", ["load_file", "yaml.safe_load", "from_pretrained"])
def test_the_scan_sees_what_is_there(name):
    assert calls(name)
