"""A real node makes the same addresses, and takes what our plans build."""

from __future__ import annotations

import pytest

from falconer_shared.bitcoin.sighash import Bip143
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.descriptor.ast import worst_case_weight
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.node import RegtestNode
from tests.support.treasury import ecdsa, private_key, wpkh_wallet, wsh_wallet

WALLETS = [
    wpkh_wallet(),
    wsh_wallet(2),
    wsh_wallet(2, form="multi"),
    wsh_wallet(16, range(16), form="multi"),
    wsh_wallet(17, range(20)),
    wsh_wallet(1, range(20), form="multi"),
]


@pytest.mark.parametrize("wallet", WALLETS)
def test_same_checksum_and_addresses(wallet: RegisteredWallet, regtest_node: RegtestNode) -> None:
    for branch in (0, 1):
        single = wallet.canonical.replace("<0;1>", str(branch))
        with_checksum = regtest_node.rpc("getdescriptorinfo", single)
        found = regtest_node.rpc("deriveaddresses", f"{single}#{with_checksum['checksum']}", [0, 30])
        assert found == [wallet.address(branch, index) for index in range(31)]
    assert regtest_node.rpc("getdescriptorinfo", wallet.canonical)["checksum"] == wallet.descriptor_text[-8:]


@pytest.mark.parametrize("wallet", WALLETS)
def test_a_plan_spends(wallet: RegisteredWallet, regtest_node: RegtestNode) -> None:
    """Every form is spent on the node with the last k keys, with a weight of at most the worst case."""
    place = OwnPlace(1, 11)
    txid = regtest_node.fund(wallet.address(place.branch, place.index), 100_000)
    scripts = wallet.scripts(place.branch, place.index)
    funded = Transaction.parse(bytes.fromhex(regtest_node.rpc("getrawtransaction", txid)))
    vout = next(
        number for number, output in enumerate(funded.outputs) if output.script == scripts.script_pubkey
    )
    unsigned = TxInput(OutPoint(funded.txid(), vout), b"", 0xFFFFFFFD)
    outputs = (TxOutput(Amount(90_000), wallet.scripts(0, 0).script_pubkey),)
    script_code = wallet.descriptor.script_code(scripts)
    digest = Bip143(Transaction(2, (unsigned,), outputs, 0)).digest(0, script_code, Amount(100_000), 1)
    seeds = [1] if wallet.size == 1 else [1, 2, 3] if wallet.size == 3 else list(range(wallet.size))
    signers = range(wallet.size - wallet.threshold, wallet.size)
    signatures = {
        scripts.pubkeys[position]: ecdsa(
            private_key(seeds[position], wallet.keys[position].origin, place), digest
        )
        for position in signers
    }
    script_sig, witness = wallet.descriptor.plan(signers, 0, unsigned.sequence).satisfy(signatures, scripts)
    signed = Transaction(2, (TxInput(unsigned.outpoint, script_sig, unsigned.sequence, witness),), outputs, 0)
    (verdict,) = regtest_node.rpc("testmempoolaccept", [signed.serialize().hex()])
    assert verdict["allowed"], verdict
    worst = worst_case_weight(wallet.descriptor, len(signed.serialize_stripped()), 1)
    # each signature here has a low R, one byte below the worst case, and may be shorter still
    assert worst - 4 * wallet.threshold <= signed.weight() <= worst - wallet.threshold
