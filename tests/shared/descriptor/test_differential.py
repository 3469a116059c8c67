"""Scripts and addresses of random wallets, computed by three other libraries."""

from __future__ import annotations

import bdkpython as bdk
import pytest
import wallycore
from embit.descriptor import Descriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.descriptors import full_key

WALLY_REGTEST = 0xFF
WALLY_MULTISIG_BOUND = 15
"""Keys of one multisig that libwally takes; embit and rust-miniscript take the 20 of consensus, as we do."""
WALLY_LAST_INDEX = 2**31 - 2
"""The last index that libwally derives."""

SEEDS = st.lists(st.integers(0, 60), min_size=1, max_size=20, unique=True)
PLACES = st.tuples(st.integers(0, 1), st.integers(0, 2**31 - 1) | st.integers(0, 30))


@st.composite
def descriptors(draw: st.DrawFn) -> str:
    seeds = draw(SEEDS)
    if len(seeds) == 1 and draw(st.booleans()):
        return with_checksum(f"wpkh({full_key(seeds[0], '84h/1h/0h')})")
    name = draw(st.sampled_from(["multi", "sortedmulti"]))
    k = draw(st.integers(1, len(seeds)))
    return with_checksum(f"wsh({name}({k},{','.join(full_key(seed) for seed in seeds)}))")


def registered(descriptor: str) -> RegisteredWallet:
    return RegisteredWallet.register("random", Network.REGTEST, descriptor)


@settings(deadline=None, max_examples=60)
@given(descriptors(), PLACES)
def test_embit(descriptor: str, place: tuple[int, int]) -> None:
    wallet, (branch, index) = registered(descriptor), place
    theirs = Descriptor.from_string(wallet.canonical).derive(index, branch_index=branch)
    ours = wallet.scripts(branch, index)
    assert theirs.script_pubkey().data == ours.script_pubkey
    if ours.witness_script is not None:
        assert theirs.witness_script().data == ours.witness_script


@settings(deadline=None, max_examples=60)
@given(descriptors(), PLACES.filter(lambda place: place[1] <= WALLY_LAST_INDEX))
def test_libwally(descriptor: str, place: tuple[int, int]) -> None:
    wallet, (branch, index) = registered(descriptor), place
    if wallet.size > WALLY_MULTISIG_BOUND:
        return
    parsed = wallycore.descriptor_parse(wallet.descriptor_text, None, WALLY_REGTEST, 0)
    assert wallycore.descriptor_to_address(parsed, 0, branch, index, 0) == wallet.address(branch, index)
    assert wallycore.descriptor_get_checksum(parsed, 0) == wallet.descriptor_text[-8:]


@settings(deadline=None, max_examples=60)
@given(descriptors(), PLACES)
def test_rust_miniscript(descriptor: str, place: tuple[int, int]) -> None:
    wallet, (branch, index) = registered(descriptor), place
    single = bdk.Descriptor(wallet.descriptor_text, bdk.NetworkKind.TEST).to_single_descriptors()[branch]
    assert str(single.derive_address(index, bdk.Network.REGTEST)) == wallet.address(branch, index)


@pytest.mark.parametrize("n", [16, 17, 20])
def test_rust_miniscript_agrees_where_numbers_need_two_bytes(n: int) -> None:
    body = f"wsh(multi({n},{','.join(full_key(seed) for seed in range(n))}))"
    wallet = RegisteredWallet.register("wide", Network.REGTEST, with_checksum(body))
    single = bdk.Descriptor(wallet.descriptor_text, bdk.NetworkKind.TEST).to_single_descriptors()[0]
    assert str(single.derive_address(3, bdk.Network.REGTEST)) == wallet.address(0, 3)
