"""Every script type on a real node: its addresses, our transactions, the node as a signer, and both programs all the way."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from falconer_offline import sign as signing
from falconer_offline.keys.private import PrivateNode
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.psbt.views import signature_field
from falconer_shared.roles.create import build_psbt
from falconer_shared.roles.finalize import FinalTransaction, finalize
from falconer_shared.units import Amount
from falconer_shared.verify.signatures import verify_signatures
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet
from tests.offline.office import seed_bytes
from tests.support.ceremony import treasury
from tests.support.node import RegtestNode
from tests.support.treasury import FORMS, NOTHING_KNOWN, root, wallet_of

WALLETS = {form: (wallet_of(form), (1, 3)) for form in FORMS}
WALLETS |= {
    f"{form}-{script}": (wallet_of(form, 2, (4, 5, 6), script), (5, 6))
    for form in ("sh", "sh-wsh", "wsh")
    for script in ("multi",)
}
WALLETS |= {
    "sh-15-of-15": (wallet_of("sh", 15, tuple(range(10, 25))), tuple(range(10, 25))),
    "sh-1-of-15": (wallet_of("sh", 1, tuple(range(10, 25)), "multi"), (24,)),
    "sh-wsh-20-of-20": (wallet_of("sh-wsh", 20, tuple(range(10, 30))), tuple(range(10, 30))),
    "wsh-17-of-20": (wallet_of("wsh", 17, tuple(range(10, 30))), tuple(range(13, 30))),
}
_SALT = itertools.count()


def fresh_places(count: int) -> list[OwnPlace]:
    """Places that no other test has used: the node is shared."""
    return [OwnPlace(number % 2, 2 * next(_SALT) + 7) for number in range(count)]


def funded(node: RegtestNode, wallet: RegisteredWallet, places: Sequence[OwnPlace]) -> list[bytes]:
    """Previous transactions that pay 60,000 sats to each place."""
    txids = [node.fund(wallet.address(place.branch, place.index), 60_000) for place in places]
    return [bytes.fromhex(node.rpc("getrawtransaction", txid)) for txid in txids]


def payment(
    node: RegtestNode, wallet: RegisteredWallet, fee: int = 5_000, psbt_version: int = 0
) -> UntrustedPsbt:
    """Two coins, one payment to the node, and change."""
    places = fresh_places(2)
    previous = funded(node, wallet, places)
    inputs = []
    for place, raw in zip(places, previous, strict=True):
        tx = Transaction.parse(raw)
        script = wallet.scripts(place.branch, place.index).script_pubkey
        vout = next(n for n, output in enumerate(tx.outputs) if output.script == script)
        inputs.append(TxInput(OutPoint(tx.txid(), vout), b"", 0xFFFFFFFD))
    supplier = node.rpc("getnewaddress", wallet="miner")
    outputs = (
        TxOutput(Amount(70_000), script_of(supplier, wallet.network)),
        TxOutput(Amount(50_000 - fee), wallet.scripts(1, places[0].index).script_pubkey),
    )
    unsigned = Transaction(2, tuple(inputs), outputs, 0)
    own = {1: OwnPlace(1, places[0].index)}
    return build_psbt(unsigned, wallet, list(zip(places, previous, strict=True)), own, psbt_version)


def signed_offline(psbt: UntrustedPsbt, verified: VerifiedTransaction, seeds: Sequence[int]) -> UntrustedPsbt:
    """With signatures of the offline program's own keys and code, seed by seed."""
    additions: dict[int, dict[bytes, bytes]] = {item.index: {} for item in verified.inputs}
    for seed in seeds:
        master = PrivateNode.from_seed(seed_bytes(seed))
        for position, key in enumerate(verified.wallet.keys):
            if key.fingerprint != master.public().fingerprint():
                continue
            for item in verified.inputs:
                path = key.path(item.place.branch, item.place.index)
                signature, _ = signing._signature(master.derive_path(path), item)
                name, value = signature_field(item.scripts.signing_keys[position], signature)
                additions[item.index][name] = value
    return psbt.with_fields(input_add=additions)


def taken(node: RegtestNode, final: FinalTransaction) -> None:
    """The node's mempool takes it, calls it as we do, counts its weight as we do, and mines it."""
    (verdict,) = node.rpc("testmempoolaccept", [final.raw.hex()])
    assert verdict["allowed"], verdict
    assert verdict["txid"] == final.txid_hex
    assert verdict["vsize"] == -(-int(final.weight) // 4)
    assert int(verdict["fees"]["base"] * 100_000_000) == final.fee
    assert node.rpc("sendrawtransaction", final.raw.hex()) == final.txid_hex
    node.mine(1)
    assert node.confirmations(final.txid_hex) == 1


@pytest.mark.parametrize("name", WALLETS)
def test_the_node_makes_the_same_addresses(regtest_node: RegtestNode, name: str) -> None:
    wallet, _ = WALLETS[name]
    for branch in (0, 1):
        single = wallet.canonical.replace("<0;1>", str(branch))
        checksum = regtest_node.rpc("getdescriptorinfo", single)["checksum"]
        found = regtest_node.rpc("deriveaddresses", f"{single}#{checksum}", [0, 5])
        assert found == [wallet.address(branch, index) for index in range(6)]
    assert regtest_node.rpc("getdescriptorinfo", wallet.canonical)["checksum"] == wallet.descriptor_text[-8:]


@pytest.mark.parametrize("psbt_version", [0, 2])
@pytest.mark.parametrize("name", WALLETS)
def test_the_node_takes_what_the_offline_program_signed(
    regtest_node: RegtestNode, name: str, psbt_version: int
) -> None:
    wallet, seeds = WALLETS[name]
    psbt = payment(regtest_node, wallet, psbt_version=psbt_version)
    verified = verify(UntrustedPsbt.parse(psbt.serialize()), wallet, NOTHING_KNOWN)
    answer = signed_offline(psbt, verified, seeds[: wallet.threshold])
    final = finalize(verify_signatures(verified, UntrustedPsbt.parse(answer.serialize())))
    assert final.weight <= verified.weight
    taken(regtest_node, final)


@pytest.mark.parametrize("form", FORMS)
def test_the_node_signs_our_psbt(regtest_node: RegtestNode, form: str) -> None:
    """Bitcoin Core's own signer: it reads our fields, and we take its signatures, finalised or not."""
    wallet, seeds = WALLETS[form]
    for finish in (False, True):
        psbt = payment(regtest_node, wallet)
        verified = verify(psbt, wallet, NOTHING_KNOWN)
        current = psbt.base64()
        for seed in seeds[: wallet.threshold]:
            current = regtest_node.rpc(
                "walletprocesspsbt",
                current,
                True,
                "DEFAULT" if verified.inputs[0].kind is InputKind.TAPROOT else "ALL",
                False,
                finish,
                wallet=node_signer(regtest_node, form, seed),
            )["psbt"]
        answer = UntrustedPsbt.parse(base64.b64decode(current))
        assert bool(answer.inputs[0].signature_fields) is not finish
        taken(regtest_node, finalize(verify_signatures(verified, answer)))


def node_signer(node: RegtestNode, form: str, seed: int) -> str:
    """A wallet of the node that holds one of the private keys."""
    name = f"signer-{form}-{seed}"
    if name in node.rpc("listwallets"):
        return name
    node.rpc("createwallet", name, False, True)
    wallet, _ = WALLETS[form]
    requests = []
    for branch in (0, 1):
        text = wallet.canonical.replace("<0;1>", str(branch))
        for key in wallet.keys:
            if key.fingerprint == root(seed).my_fingerprint:
                text = text.replace(
                    key.xpub.text(wallet.network), root(seed).derive(list(key.origin)).to_base58()
                )
        checksum = node.rpc("getdescriptorinfo", text)["checksum"]
        requests.append(
            {"desc": f"{text}#{checksum}", "timestamp": "now", "range": [0, 999], "active": False}
        )
    assert all(each["success"] for each in node.rpc("importdescriptors", requests, wallet=name))
    return name


@pytest.mark.parametrize("name", ["pkh", "sh", "sh-wpkh", "tr"])
def test_the_node_refuses_one_flipped_bit(regtest_node: RegtestNode, name: str) -> None:
    """So that `taken` above cannot pass by chance."""
    wallet, seeds = WALLETS[name]
    psbt = payment(regtest_node, wallet)
    verified = verify(psbt, wallet, NOTHING_KNOWN)
    answer = signed_offline(psbt, verified, seeds[: wallet.threshold])
    tx = finalize(verify_signatures(verified, answer)).tx
    raw = bytearray(tx.serialize())
    pay = raw.index(Amount(70_000).to_bytes(8, "little"))
    raw[pay] ^= 1
    (verdict,) = regtest_node.rpc("testmempoolaccept", [bytes(raw).hex()])
    assert not verdict["allowed"]
    assert "script-verify-flag" in verdict["reject-reason"]


RULES: dict[str, object] = {
    "max_single_tx_sats": 3_000_000,
    "max_daily_spend_sats": 4_000_000,
    "max_fee_rate_sats_per_vbyte": 50,
    "max_fee_sats": 50_000,
    "human_approval_threshold_sats": 500_000,
}


@pytest.mark.parametrize("form", [form for form in FORMS if form not in {"wpkh", "wsh"}])
def test_both_programs_all_the_way(regtest_node: RegtestNode, tmp_path: Path, form: str) -> None:
    """As `test_first_payment` does for wpkh and wsh: composed, registered, funded, proposed, signed, sent, confirmed."""
    several = form in {"sh", "sh-wsh"}
    house = treasury(
        tmp_path,
        regtest_node,
        form,
        ["north", "south"] if several else ["north"],
        2 if several else None,
        automated=True,
        form=form,
    )
    supplier = regtest_node.rpc("getnewaddress", wallet="miner")
    house.found({"supplier": supplier}, RULES)
    house.fund(200_000, 180_000)
    pays = [(supplier, 300_000)]
    created = house.propose(*pays)["proposal"]
    assert created["state"] == "approved"
    request = house.export(created["id"])
    answers = [house.sign(signer, request, pays)[0] for signer in house.signers]
    done = house.finish(created["id"], answers)
    assert done["state"] == "confirmed"
    assert regtest_node.confirmations(done["txid"]) == 1
    spent = regtest_node.rpc("getrawtransaction", done["txid"], 1)
    assert len(spent["vin"]) == 2
    # the change came home: the coordinator sees it, and the next payment can spend it
    assert house.coordinator.json("wallet", "balance", form)["confirmed"] > 70_000
