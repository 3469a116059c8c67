"""The deriver says what the node says, with one point addition per key."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.bitcoin import curve
from falconer_shared.descriptor import derive
from falconer_shared.descriptor.ast import MAX_INDEX, Scripts
from falconer_shared.descriptor.derive import Deriver
from falconer_shared.descriptor.forms import Multi, Wpkh, Wsh
from tests.support.descriptors import keys
from tests.support.treasury import root

NODES = [Wpkh(keys(1)[0]), Wsh(Multi(2, keys(3), sorted=True)), Wsh(Multi(2, keys(3), sorted=False))]


@settings(deadline=None)
@given(st.sampled_from(NODES), st.integers(0, 1), st.integers(0, MAX_INDEX))
def test_same_as_the_node(node: Wpkh | Wsh, branch: int, index: int) -> None:
    deriver = Deriver(node)
    assert deriver.scripts(branch, index) == node.script(branch, index)
    assert deriver.scripts(branch, index) == node.script(branch, index)


def test_one_point_addition_per_key_and_place(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    real = curve.Point.plus

    def counting(*arguments: object) -> bytes:
        nonlocal calls
        calls += 1
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(curve.Point, "plus", counting)
    deriver = Deriver(NODES[1])
    assert calls == 3 * 2
    for index in range(50):
        deriver.scripts(0, index)
    assert calls == 3 * 2 + 3 * 50
    for index in range(50):
        deriver.scripts(0, index)
    assert calls == 3 * 2 + 3 * 50


def test_memory_is_bounded_and_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive, "MAX_REMEMBERED", 10)
    deriver = Deriver(NODES[0])
    first = [deriver.scripts(0, index) for index in range(35)]
    assert len(deriver._places) <= 10
    assert [deriver.scripts(0, index) for index in range(35)] == first


@pytest.mark.parametrize("branch", [0, 1])
def test_a_script_is_found_within_the_range_asked_for_and_nowhere_else(branch: int) -> None:
    deriver = Deriver(NODES[0])
    scripts = [deriver.scripts(branch, index).script_pubkey for index in range(40)]
    elsewhere = [deriver.scripts(1 - branch, index).script_pubkey for index in range(40)]
    # forwards, backwards, apart, the same again, none
    for indexes in (
        range(5, 20),
        range(7, 22),
        range(3, 18),
        range(30, 40),
        range(30, 40),
        range(0),
        range(39),
    ):
        for index, script in enumerate(scripts):
            assert deriver.find(script, branch, indexes) == (index if index in indexes else None)
        assert not any(deriver.find(script, branch, indexes) for script in elsewhere)


def test_a_search_derives_only_what_is_new() -> None:
    asked: list[int] = []
    real = Deriver.scripts

    class Counted(Deriver):
        def scripts(self, branch: int, index: int) -> Scripts:
            asked.append(index)
            return real(self, branch, index)

    deriver = Counted(NODES[0])
    for indexes in (range(10), range(10), range(2, 12), range(1, 11)):
        deriver.find(b"foreign", 0, indexes)
    assert asked == [*range(10), 10, 11, 1]


@pytest.mark.parametrize("place", [(2, 0), (-1, 0), (0, -1), (0, MAX_INDEX + 1), (1, 2**32)])
def test_no_such_place(place: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no place"):
        Deriver(NODES[0]).scripts(*place)
    Deriver(NODES[0]).scripts(1, MAX_INDEX)


@pytest.mark.parametrize("node", NODES)
def test_derivations_lead_the_owners_of_the_seeds_to_their_keys(node: Wpkh | Wsh) -> None:
    derivations = Deriver(node).derivations(1, 42)
    assert len(derivations) == len(node.keys)
    for seed, (pubkey, (fingerprint, path)) in enumerate(derivations.items()):
        assert fingerprint == root(seed).my_fingerprint
        assert root(seed).derive(list(path)).to_public().key.sec() == pubkey
