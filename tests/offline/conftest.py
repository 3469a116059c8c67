"""Offices that went through their ceremony once; each test gets a copy of its own."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from tests.offline.office import Office
from tests.support.treasury import wpkh_wallet, wsh_wallet


@pytest.fixture(scope="session")
def _founded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("homes")
    approved = {"human_approval_threshold_sats": 50_000, "max_daily_spend_sats": 300_000}
    return {
        "single": Office.make(folder / "single", wpkh_wallet()),
        "approved": Office.make(folder / "approved", wpkh_wallet(), rules=approved),
        "multi": Office.make(folder / "multi", wsh_wallet(), seeds=(2,)),
    }


def _copy(office: Office, place):
    shutil.copytree(office.home, place)
    return dataclasses.replace(office, home=place, marks={}, draft=dataclasses.replace(office.draft))


@pytest.fixture
def office(_founded, tmp_path):
    """P2WPKH, daily limit 300,000 sats, no approvals needed."""
    return _copy(_founded["single"], tmp_path / "home")


@pytest.fixture
def approved_office(_founded, tmp_path):
    """P2WPKH, above 50,000 sats an approver is needed."""
    return _copy(_founded["approved"], tmp_path / "approved-home")


@pytest.fixture
def multi_office(_founded, tmp_path):
    """P2WSH 2-of-3; this machine holds key 2 of 3."""
    return _copy(_founded["multi"], tmp_path / "multi-home")
