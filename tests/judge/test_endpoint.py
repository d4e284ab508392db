import pytest

from lenity.config.load import parse
from lenity.errors import ConfigError
from lenity.judge.config import JudgeConfig
from lenity.judge.endpoint import find

SECRET = "sk-very-secret-0123456789"


def config(endpoint="http://127.0.0.1:8000/v1", **changes):
    return parse(JudgeConfig, {"endpoint": endpoint, "model": "m"} | changes)


@pytest.mark.parametrize(
    "url",
    ["ftp://host/v1", "host:8000/v1", f"https://user:{SECRET}@host/v1", f"https://host/v1?key={SECRET}", f"https://host/v1#{SECRET}", "http:///v1", "7"],
)  # fmt: skip
def test_an_address_with_more_than_host_and_path_is_refused_and_not_repeated(url):
    with pytest.raises(ConfigError, match="api_key_env") as error:
        find(config(url))
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "127.8.0.1", "localhost:8000", "[::1]:8000"])
def test_this_machine_needs_no_key(host, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = find(config(f"http://{host}/v1/"))
    assert found.loopback and found.key == "none" and found.url == f"http://{host}/v1" and not found.unencrypted


@pytest.mark.parametrize("host", ["api.example.org", "10.0.0.1", "localhost.example.org", "0.0.0.0"])
def test_another_machine_needs_one(host, monkeypatch):
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"JUDGE_KEY is not set.*export JUDGE_KEY="):
        find(config(f"https://{host}/v1", api_key_env="JUDGE_KEY"))
    assert find(config(f"https://{host}/v1"), key=False).key == "none", "an estimate sends nothing"
    monkeypatch.setenv("JUDGE_KEY", SECRET)
    found = find(config(f"http://{host}/v1", api_key_env="JUDGE_KEY"))
    assert found.key == SECRET and SECRET not in repr(found) and found.unencrypted
    assert found.hide(f"key {SECRET} is wrong") == "key [key] is wrong"


def test_a_key_too_short_to_be_one_does_not_garble_answers(monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "1")
    assert find(config(api_key_env="JUDGE_KEY")).hide("10") == "10"


def test_a_key_in_place_of_the_variable_is_not_repeated():
    with pytest.raises(ConfigError, match="the name of the environment variable, not the key") as error:
        find(config(api_key_env=SECRET))
    assert SECRET not in str(error.value)
