"""Seals: a trusted type comes from its own module alone."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import InitVar, dataclass

import pytest

from falconer_shared.seal import Seal

MINT = Seal("tests")


@dataclass(frozen=True, slots=True)
class Trusted:
    value: int
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        MINT.check(seal)


def test_the_owner_can_mint():
    assert Trusted(5, MINT).value == 5


@pytest.mark.parametrize("presented", [Seal("tests"), None, "tests", MINT._owner, object()])
def test_nobody_else_can(presented):
    with pytest.raises(TypeError, match="made by tests alone"):
        Trusted(5, presented)


def test_replace_and_reading_back_the_seal_fail():
    trusted = Trusted(5, MINT)
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(trusted, value=6)
    with pytest.raises(dataclasses.FrozenInstanceError):
        trusted.value = 6
    assert not hasattr(trusted, "seal")


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_seal_cannot_be_duplicated(duplicate):
    with pytest.raises(TypeError):
        duplicate(MINT)
