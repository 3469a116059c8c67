"""Homes that went through their ceremony once; a case gets a copy of its own."""

from __future__ import annotations

import pytest

from tests.offline.office import Office
from tests.support.treasury import wpkh_wallet, wsh_wallet


@pytest.fixture(scope="session")
def founded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attacked-homes")
    return {
        "single": Office.make(folder / "single", wpkh_wallet()),
        "multi": Office.make(folder / "multi", wsh_wallet(), seeds=(2,)),
    }


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case that a module registered, named by the id of its attack."""
    if "case" in metafunc.fixturenames:
        cases = metafunc.module.attack.cases
        metafunc.parametrize("case", cases, ids=[case.id for case in cases])
