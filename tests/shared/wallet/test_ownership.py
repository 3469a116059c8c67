"""What is ours: never because a PSBT says so, always because the descriptor derives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.bitcoin.bip32 import HARDENED
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import hash160, p2pkh, p2sh, p2wpkh
from falconer_shared.descriptor.ast import MAX_INDEX
from falconer_shared.errors import VerificationError
from falconer_shared.wallet.ownership import (
    MAX_OWN_OUTPUT_INDEX,
    SEARCH_WIDTH,
    KnownIndexes,
    OwnPlace,
    claims_ownership,
    locate_input,
    locate_output,
)
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.treasury import NOTHING_KNOWN, Payment, wpkh_descriptor, wpkh_wallet, wsh_wallet

Path = tuple[int, ...]
WPKH, WSH = wpkh_wallet(), wsh_wallet()
BOTH = [WPKH, WSH]


@dataclass
class Hints:
    """The fields of a PSBT map that ownership reads."""

    bip32_derivations: Mapping[bytes, tuple[bytes, Path]] = field(default_factory=dict)
    tap_bip32_derivations: Mapping[bytes, tuple[tuple[bytes, ...], bytes, Path]] = field(default_factory=dict)


def script(wallet: RegisteredWallet, branch: int, index: int) -> bytes:
    return wallet.scripts(branch, index).script_pubkey


def hints(wallet: RegisteredWallet, branch: int, index: int) -> Hints:
    return Hints(wallet.derivations(branch, index))


def hint(
    wallet: RegisteredWallet, *tail: int, fingerprint: bytes | None = None, origin: Path | None = None
) -> Hints:
    """One hint for the first key, with whatever follows its origin."""
    key = wallet.keys[0]
    path = (*(key.origin if origin is None else origin), *tail)
    return Hints({wallet.scripts(0, 0).pubkeys[0]: (fingerprint or key.fingerprint, path)})


@pytest.mark.parametrize("wallet", BOTH)
@pytest.mark.parametrize("place", [(0, 0), (1, 0), (0, 19), (1, 123_456), (0, MAX_INDEX)])
def test_a_true_hint_finds_the_place(wallet: RegisteredWallet, place: tuple[int, int]) -> None:
    own = OwnPlace(*place)
    assert locate_input(wallet, script(wallet, *place), hints(wallet, *place)) == own
    assert locate_output(wallet, script(wallet, *place), hints(wallet, *place)) == own
    # one key's hint is enough: the place is the same for all
    assert locate_input(wallet, script(wallet, *place), hint(wallet, *place)) == own


def test_the_views_of_a_real_psbt_are_understood() -> None:
    psbt = Payment(WSH).psbt()
    for number, (place, _) in enumerate(Payment(WSH).coins):
        assert locate_input(WSH, script(WSH, place.branch, place.index), psbt.inputs[number]) == place
    change = psbt.tx.outputs[1].script
    assert locate_output(WSH, change, psbt.outputs[1]) == OwnPlace(1, 2)
    assert locate_output(WSH, psbt.tx.outputs[0].script, psbt.outputs[0]) is None


@pytest.mark.parametrize("wallet", BOTH)
def test_a_foreign_script_under_true_looking_hints_is_foreign(wallet: RegisteredWallet) -> None:
    # A015: our key, our fingerprint, our path, the attacker's script
    for foreign in (p2wpkh(b"\x66" * 20), b"", b"\x51", script(wallet, 1, 4)):
        assert locate_input(wallet, foreign, hints(wallet, 1, 3)) is None
        assert locate_output(wallet, foreign, hints(wallet, 1, 3)) is None
        assert claims_ownership(wallet, hints(wallet, 1, 3))


def test_our_key_in_another_script_type_is_not_ours() -> None:
    # A016, A017
    (pubkey,) = WPKH.scripts(1, 0).pubkeys
    for other in (p2pkh(hash160(pubkey)), p2sh(hash160(script(WPKH, 1, 0)))):
        assert locate_output(WPKH, other, hints(WPKH, 1, 0), NOTHING_KNOWN) is None
    assert (
        locate_output(WSH, p2wpkh(hash160(WSH.scripts(1, 0).pubkeys[0])), hints(WSH, 1, 0), NOTHING_KNOWN)
        is None
    )
    # the change of one wallet of ours is not the change of another
    assert locate_output(WSH, script(WPKH, 1, 0), hints(WPKH, 1, 0), NOTHING_KNOWN) is None


@pytest.mark.parametrize(
    "tail",
    [
        (),
        (1,),
        (1, 0, 0),
        (2, 0),
        (5, 3),
        (HARDENED, 0),
        (1, HARDENED),
        (1 + HARDENED, HARDENED),
        (0, 1, 0),
        (2**32 - 1, 2**32 - 1),
    ],
)
def test_paths_that_lead_out_of_the_wallet(tail: Path) -> None:
    # A018, A019: such a hint says "ours" and names no place; nothing is derived from it
    assert locate_input(WPKH, script(WPKH, 1, 0), hint(WPKH, *tail)) is None
    assert claims_ownership(WPKH, hint(WPKH, *tail))


def test_a_claim_is_fingerprint_and_origin_together() -> None:
    key = WPKH.keys[0]
    assert claims_ownership(WPKH, hint(WPKH, 1, 0))
    assert not claims_ownership(WPKH, Hints())
    assert not claims_ownership(WPKH, hint(WPKH, 1, 0, fingerprint=b"\0\0\0\0"))  # A023
    assert not claims_ownership(WPKH, hint(WPKH, 1, 0, origin=(*key.origin[:-1], key.origin[-1] + 1)))
    assert not claims_ownership(WPKH, hint(WPKH, origin=key.origin[:-1]))
    assert claims_ownership(WSH, hint(WSH, 9, 9))


def test_hints_of_another_account_find_nothing() -> None:
    key = WPKH.keys[0]
    wrong = hint(WPKH, 0, 0, origin=(*key.origin[:-1], key.origin[-1] + 1))
    assert locate_input(WPKH, script(WPKH, 0, 0), wrong) is None


def test_hints_must_agree_on_one_place() -> None:
    true, other = WSH.derivations(0, 1), WSH.derivations(0, 2)
    (first, first_hint), *_ = true.items()
    (second, second_hint), *_ = other.items()
    for locate in (locate_input, locate_output):
        with pytest.raises(VerificationError) as caught:
            locate(WSH, script(WSH, 0, 1), Hints({first: first_hint, second: second_hint}))
        assert caught.value.rule == "derivation-hints-contradict"
        # hints for strangers' keys, and such as name no place, contradict nothing
        stranger = (b"\x01\x02\x03\x04", (1, 2, 3))
        assert locate(WSH, script(WSH, 0, 1), Hints({**true, second: stranger})) == OwnPlace(0, 1)


def test_a_hostile_map_costs_one_derivation(monkeypatch: pytest.MonkeyPatch) -> None:
    wallet = wpkh_wallet()
    key = wallet.keys[0]
    asked: list[tuple[int, int]] = []
    real = RegisteredWallet.scripts
    monkeypatch.setattr(
        RegisteredWallet, "scripts", lambda self, *place: asked.append(place) or real(self, *place)
    )
    same = {number.to_bytes(33, "big"): (key.fingerprint, key.path(0, 7)) for number in range(5_000)}
    assert locate_input(wallet, b"foreign", Hints(same)) is None
    assert asked == [(0, 7)]
    many = {number.to_bytes(33, "big"): (key.fingerprint, key.path(0, number)) for number in range(5_000)}
    with pytest.raises(VerificationError):
        locate_input(wallet, b"foreign", Hints(many))
    assert asked == [(0, 7)]


# the window -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("highest", [-1, 0, 19, 20, 5_000])
@pytest.mark.parametrize("branch", [0, 1])
def test_own_outputs_near_the_known_ones_need_no_hints(branch: int, highest: int) -> None:
    known = KnownIndexes({branch: highest})
    last = highest + SEARCH_WIDTH
    first = max(0, highest - SEARCH_WIDTH)
    for index in (first, last):
        assert locate_output(WPKH, script(WPKH, branch, index), Hints(), known) == OwnPlace(branch, index)
        assert locate_output(WPKH, script(WPKH, branch, index), Hints()) is None
    assert locate_output(WPKH, script(WPKH, branch, last + 1), Hints(), known) is None
    if first:
        assert locate_output(WPKH, script(WPKH, branch, first - 1), Hints(), known) is None


def test_the_window_corrects_a_hint_that_lies_about_the_place() -> None:
    assert locate_output(WPKH, script(WPKH, 1, 3), hints(WPKH, 1, 4), NOTHING_KNOWN) == OwnPlace(1, 3)


def test_the_window_does_not_reach_beyond_the_gap_limit() -> None:
    narrow = RegisteredWallet.register("narrow", Network.REGTEST, wpkh_descriptor(), gap_limit=2)
    assert locate_output(narrow, script(narrow, 1, 1), Hints(), NOTHING_KNOWN) == OwnPlace(1, 1)
    assert locate_output(narrow, script(narrow, 1, 2), Hints(), NOTHING_KNOWN) is None


def test_inputs_are_not_searched_for() -> None:
    assert locate_input(WPKH, script(WPKH, 0, 0), Hints()) is None


# reach ------------------------------------------------------------------------------------------------


def test_reach_is_the_gap_limit_beyond_the_known() -> None:
    assert NOTHING_KNOWN.reach(0, 20) == 19
    known = KnownIndexes({0: 7})
    assert (known.reach(0, 20), known.reach(1, 20)) == (27, 19)


def test_a_coin_sent_far_away_does_not_open_the_way_there() -> None:
    # anybody who knows an xpub can pay one coin to index 2^31 - 1 and then spend it beside real ones
    known = NOTHING_KNOWN.extended([OwnPlace(1, MAX_INDEX)])
    assert known.highest_index(1) == MAX_INDEX
    assert known.reach(1, 20) == MAX_OWN_OUTPUT_INDEX
    assert KnownIndexes({1: MAX_OWN_OUTPUT_INDEX - 20}).reach(1, 20) == MAX_OWN_OUTPUT_INDEX
    assert KnownIndexes({1: MAX_OWN_OUTPUT_INDEX - 21}).reach(1, 20) == MAX_OWN_OUTPUT_INDEX - 1
    # and looking for outputs without hints stays cheap there
    assert locate_output(WPKH, script(WPKH, 1, MAX_INDEX), Hints(), known) is None


def test_proven_places_extend_what_is_known() -> None:
    known = KnownIndexes({0: 5})
    extended = known.extended([OwnPlace(0, 3), OwnPlace(1, 9), OwnPlace(1, 2)])
    assert (extended.highest_index(0), extended.highest_index(1)) == (5, 9)
    assert (known.highest_index(0), known.highest_index(1)) == (5, -1)


@pytest.mark.parametrize("highest", [{2: 0}, {0: -2}, {1: MAX_INDEX + 1}])
def test_known_indexes_are_of_this_wallet_form(highest: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="per branch"):
        KnownIndexes(highest)


def test_places_are_labelled_apart() -> None:
    # A020
    assert (OwnPlace(0, 7).text(), OwnPlace(0, 7).is_change) == ("receive 7", False)
    assert (OwnPlace(1, 7).text(), OwnPlace(1, 7).is_change) == ("change 7", True)


# properties -------------------------------------------------------------------------------------------

STEPS = st.sampled_from([0, 1, 2, 3, 19, 20, MAX_INDEX, HARDENED, 84 + HARDENED, 2**32 - 1]) | st.integers(
    0, 2**32 - 1
)


@st.composite
def any_hints(draw: st.DrawFn, wallet: RegisteredWallet) -> Hints:
    found: dict[bytes, tuple[bytes, Path]] = {}
    for _ in range(draw(st.integers(0, 4))):
        key = draw(st.sampled_from(wallet.keys))
        prefix = draw(st.sampled_from([key.origin, key.origin[:-1], ()]))
        fingerprint = draw(st.sampled_from([key.fingerprint, b"\0\0\0\0", b"\xff" * 4]))
        found[draw(st.binary(min_size=33, max_size=33))] = (
            fingerprint,
            (*prefix, *draw(st.lists(STEPS, max_size=3))),
        )
    return Hints(found)


@settings(deadline=None)
@given(st.sampled_from(BOTH), st.data())
def test_no_hint_makes_a_foreign_script_ours(wallet: RegisteredWallet, data: st.DataObject) -> None:
    foreign = data.draw(st.binary(max_size=42) | st.binary(min_size=20, max_size=20).map(p2wpkh))
    claimed = data.draw(any_hints(wallet))
    for locate in (locate_input, lambda *given: locate_output(*given, NOTHING_KNOWN)):
        try:
            assert locate(wallet, foreign, claimed) is None
        except VerificationError as error:
            if error.rule != "derivation-hints-contradict":
                raise


@settings(deadline=None)
@given(st.sampled_from(BOTH), st.integers(0, 1), st.integers(0, 60), st.data())
def test_whatever_is_found_is_the_true_place(
    wallet: RegisteredWallet, branch: int, index: int, data: st.DataObject
) -> None:
    claimed = data.draw(any_hints(wallet))
    known = KnownIndexes({branch: data.draw(st.integers(-1, 60))})
    try:
        place = locate_output(wallet, script(wallet, branch, index), claimed, known)
    except VerificationError as error:
        if error.rule != "derivation-hints-contradict":
            raise
        return
    near = abs(index - known.highest_index(branch)) <= SEARCH_WIDTH
    assert place == OwnPlace(branch, index) or (place is None and not near)
