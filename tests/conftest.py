"""Fixtures for every test: the real node, and the folder with vectors."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bitcoind import NodeUnavailableError, ensure
from tests.support.node import RegtestNode

PROJECT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """A shell starts what it runs in the background with ctrl-C ignored, and programs hand that on: the tests press it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the node, so that `-m 'not node'` leaves it out."""
    for item in items:
        if {"regtest_node", "bitcoind"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.node)


@pytest.fixture(scope="session")
def bitcoind() -> Path:
    """A real bitcoind. Where none can be had the test fails: nothing may look green that did not run."""
    if os.environ.get("FALCONER_NO_NODE") == "1":
        pytest.skip("FALCONER_NO_NODE=1: no test runs against a real node")
    try:
        return ensure()
    except NodeUnavailableError as error:
        pytest.fail(f"{error}\n(FALCONER_NO_NODE=1 leaves these tests out)", pytrace=False)


@pytest.fixture(scope="session")
def regtest_node(bitcoind: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegtestNode]:
    """A node with coins to spend, shared by all tests of a worker: use wallets and addresses of your own."""
    with RegtestNode(tmp_path_factory.mktemp("node"), program=bitcoind) as node:
        node.mine(101)
        yield node


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder that holds `vectors/`: FALCONER_VECTORS, or else `shared` beside the project."""
    folder = Path(os.environ.get("FALCONER_VECTORS") or PROJECT.parent / "shared")
    if not (folder / "vectors").is_dir():
        pytest.skip(f"no test vectors in {folder}: set FALCONER_VECTORS")
    return folder
