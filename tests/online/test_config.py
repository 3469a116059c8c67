"""Where the coordinator lives, and what its configuration may say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_online import config as module
from falconer_online.config import (
    Home,
    NodeConfig,
    check_node_url,
    default_cookie,
    find_home,
    load,
    render,
)
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import StateError, UsageError
from tests.support.refusal import refused


def test_one_variable_puts_everything_into_one_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("FALCONER_HOME", str(tmp_path))
    assert find_home() == Home(tmp_path, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FALCONER_HOME", "here")
    assert find_home().database == tmp_path / "here" / "falconer.db"


def test_else_the_xdg_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("FALCONER_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative/is/ignored")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert find_home() == Home(tmp_path / ".config" / "falconer", tmp_path / "data" / "falconer")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8332", "http://[::1]:18443", "http://localhost:1", "https://node.example:8332"]
)
def test_node_urls(url: str):
    assert check_node_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8332", "ftp://127.0.0.1:1", "http://127.0.0.1", "http://127.0.0.1:99999", "http://u:p@127.0.0.1:1",
     "http://u@127.0.0.1:1", "http://node.example:8332", "http://10.0.0.1:8332", "http://127.0.0.1:1/?a=b", "http://[::1"],
)  # fmt: skip
def test_urls_that_are_none_or_would_show_a_password(url: str):
    with refused("node-url", UsageError):
        check_node_url(url)


def written(tmp_path: Path, text: str) -> Home:
    (tmp_path / "config.toml").write_text(text)
    return Home(tmp_path, tmp_path)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60))
def test_what_is_rendered_is_read_back(tmp_path_factory: pytest.TempPathFactory, name: str):
    home = written(
        tmp_path_factory.mktemp("c"), render(Network.SIGNET, NodeConfig("http://127.0.0.1:1", Path(name)))
    )
    found = load(home)
    assert found.network is Network.SIGNET
    assert found.node == NodeConfig("http://127.0.0.1:1", Path(name))
    assert found.confirmations == 1


def test_no_configuration_means_no_coordinator(tmp_path: Path):
    with refused("not-initialised", StateError):
        load(Home(tmp_path, tmp_path))


def test_one_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "config.toml").mkdir()
    with refused("config-unreadable", StateError):
        load(Home(tmp_path, tmp_path))


GOOD = 'network = "regtest"\n[node]\nurl = "http://127.0.0.1:1"\n'


def test_the_least_that_it_must_say(tmp_path: Path):
    found = load(written(tmp_path, GOOD))
    assert (found.confirmations, found.expiry_seconds, found.node.cookie) == (1, 86_400, None)


@pytest.mark.parametrize(
    "text",
    ["", "not toml", GOOD.replace("regtest", "mainet"), GOOD.replace("network", "netwrok"), GOOD + "urll = 1\n",
     "expiry_seconds = 0\n" + GOOD, 'expiry_seconds = "1"\n' + GOOD, "confirmations = true\n" + GOOD,
     "confirmations = 1.5\n" + GOOD,
     GOOD + "cookie = 7\n", GOOD.replace("127.0.0.1", "u:p@127.0.0.1"), 'network = "regtest"\nnode = 1\n', "x" * 70_000,
     "expiri_seconds = 5\n" + GOOD],
)  # fmt: skip
def test_what_it_may_not_say(tmp_path: Path, text: str):
    with refused("config-invalid", StateError):
        load(written(tmp_path, text))


def test_bytes_that_are_no_text(tmp_path: Path):
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with refused("config-invalid", StateError):
        load(Home(tmp_path, tmp_path))


def test_cookies_lie_where_the_node_keeps_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cookie(Network.MAINNET) == tmp_path / ".bitcoin" / ".cookie"
    assert default_cookie(Network.REGTEST) == tmp_path / ".bitcoin" / "regtest" / ".cookie"


def test_mainnet_waits_for_six():
    assert module.default_confirmations(Network.MAINNET) == 6
