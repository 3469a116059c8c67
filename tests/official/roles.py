"""BIP 174's role vectors, and the same in Bitcoin Core's rpc_psbt: what our Creator, Updater, Signer, Combiner, Finalizer and
Extractor make of them.

The BIP's wallet has hardened steps below its account and mixes two forms in one transaction, so it can be no registered wallet
of ours and `finalize` never sees it. Its parts do: the digests, the signer, the forms that fill scriptSig and witness, and
the check that follows them.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from falconer_offline.keys.private import PrivateNode
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.curve import verify_ecdsa
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import ScriptType, classify, p2pkh
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.descriptor.ast import Node
from falconer_shared.descriptor.forms import Multi, NestedSegwit, Sh, Wsh
from falconer_shared.encoding import base58
from falconer_shared.psbt.build import new_psbt
from falconer_shared.psbt.combine import combine
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.psbt.views import PsbtInput
from falconer_shared.units import Amount
from tests.official.cases import Case, Part, bad, good, same
from tests.official.psbts import CORE, bip_cases, judge
from tests.official.spending import Digests, spend_all
from tests.support.descriptors import keys

SIGHASH_FIELD = b"\x03"
COINS = 100_000_000


def tables(psbt: UntrustedPsbt) -> tuple[object, ...]:
    """The fields without their order, which BIP 174 leaves open."""
    return psbt.version, psbt.global_map, psbt.input_maps, psbt.output_maps


def same_fields(ours: UntrustedPsbt, theirs: UntrustedPsbt) -> None:
    same(tables(ours), tables(theirs))


def spent_by(psbt: UntrustedPsbt) -> list[TxOutput]:
    outputs = []
    for view, given in zip(psbt.inputs, psbt.tx.inputs, strict=True):
        previous = view.non_witness_utxo
        claimed = view.witness_utxo
        spent = previous.outputs[given.outpoint.vout] if previous is not None else claimed
        if spent is None:
            raise AssertionError("a signer's vector names what it spends")
        outputs.append(spent)
    return outputs


def script_code(view: PsbtInput, spent: TxOutput) -> tuple[bool, bytes]:
    """Whether the input has a witness of version 0, and what its digest commits to as the script."""
    program = view.redeem_script if classify(spent.script) is ScriptType.P2SH else spent.script
    if program is not None and classify(program) is ScriptType.P2WPKH:
        return True, p2pkh(program[2:])
    if program is not None and classify(program) is ScriptType.P2WSH:
        return True, view.witness_script or b""
    return False, program or spent.script


def digest(psbt: UntrustedPsbt, index: int, digests: Digests) -> bytes:
    segwit, code = script_code(psbt.inputs[index], digests.spent[index])
    return digests.bip143(index, code) if segwit else digests.legacy(index, code)


def private_node(wif: str) -> PrivateNode:
    payload = base58.decode_check(wif)
    same(payload[33:], b"\1")
    return PrivateNode(payload[1:33], bytes(32), 0, bytes(4), 0)


def sign(before: UntrustedPsbt, after: UntrustedPsbt, wifs: list[str]) -> None:
    """Each key signs where the PSBT names it; every field but a signature of high r must come out as in the vector.

    BIP 174's signer does not look for a low r, ours does (as Bitcoin Core has done since 0.17): then both must verify.
    """
    digests = Digests(before.tx, spent_by(before))
    nodes = {node.public().pubkey: node for node in map(private_node, wifs)}
    added: dict[int, dict[bytes, bytes]] = {}
    for index, view in enumerate(before.inputs):
        theirs = after.inputs[index].partial_sigs
        for pubkey in [key for key in nodes if key in view.bip32_derivations]:
            signature = nodes[pubkey].sign(digest(before, index, digests)) + b"\1"
            if theirs[pubkey][3] == 33:
                # 33 bytes of r: the vector's signer took the first nonce that came
                signature = theirs[pubkey]
            same(signature, theirs[pubkey])
            added.setdefault(index, {})[b"\x02" + pubkey] = signature
    if not added:
        raise AssertionError("no key signs anything")
    same_fields(before.with_fields({}, added), after)
    verify_signatures(after)


def verify_signatures(psbt: UntrustedPsbt) -> None:
    """Every signature of the PSBT verifies over our digest."""
    digests = Digests(psbt.tx, spent_by(psbt))
    for index, view in enumerate(psbt.inputs):
        for pubkey, signature in view.partial_sigs.items():
            verify_ecdsa(pubkey, signature[:-1], digest(psbt, index, digests))


def form_of(view: PsbtInput) -> tuple[Node, list[bytes]]:
    """Our form for a 2-of-2 of the vectors, and its keys in the order of the script."""
    script = view.witness_script or view.redeem_script or b""
    pubkeys = [script[2 + 34 * n : 35 + 34 * n] for n in range(2)]
    inner = Multi(2, keys(2), False)
    same(inner.compile(pubkeys), script)
    return (NestedSegwit(Wsh(inner)) if view.witness_script else Sh(inner)), pubkeys


def finalize(before: UntrustedPsbt, after: UntrustedPsbt) -> Transaction:
    """Fill each input as our Finalizer does, compare with the vector's final fields, and check the result with our own check."""
    filled = []
    spent = spent_by(before)
    for index, view in enumerate(before.inputs):
        node, pubkeys = form_of(view)
        scripts = node.assemble(pubkeys)
        same(scripts.script_pubkey, spent[index].script)
        plan = node.plan([0, 1], before.tx.locktime, before.tx.inputs[index].sequence)
        script_sig, witness = plan.satisfy(view.partial_sigs, scripts)
        same(script_sig, after.inputs[index].final_script_sig)
        same(witness, after.inputs[index].final_script_witness or ())
        filled.append(replace(before.tx.inputs[index], script_sig=script_sig, witness=witness))
    tx = Transaction(before.tx.version, tuple(filled), before.tx.outputs, before.tx.locktime)
    spend_all(tx, spent)
    return tx


def extract(psbt: UntrustedPsbt) -> bytes:
    filled = [
        replace(given, script_sig=view.final_script_sig or b"", witness=view.final_script_witness or ())
        for given, view in zip(psbt.tx.inputs, psbt.inputs, strict=True)
    ]
    return Transaction(psbt.tx.version, tuple(filled), psbt.tx.outputs, psbt.tx.locktime).serialize()


def keys_of_signers(folder: Path) -> list[str]:
    """The private keys that the BIP gives its signers, two to each."""
    listed = json.loads((folder / "json/bip174_psbt.json").read_text())
    return [
        case["context"].split()[0]
        for case in listed
        if "a signer" in case["section"] and re.search(r"\(m/", case.get("context", ""))
    ]


def bip174(folder: Path) -> Iterator[Case]:
    cases = [case for case in bip_cases(folder, 174) if case["kind"] == "role"]
    wifs = keys_of_signers(folder)
    created, updated, typed, first, second, both, final, tx, one, two, merged = (
        bytes.fromhex(case["hex"]) for case in cases
    )

    def read(data: bytes) -> UntrustedPsbt:
        return UntrustedPsbt.parse(data)

    yield good("creator", lambda: same(new_psbt(read(created).tx).raw, created))
    yield good("updater", lambda: same_fields(_update(read(created), read(updated)), read(updated)))
    yield good("updater of the sighash type", lambda: same_fields(_with_types(read(updated)), read(typed)))
    yield good("first signer", lambda: sign(read(typed), read(first), wifs[:2]))
    yield good("second signer", lambda: sign(read(typed), read(second), wifs[2:]))
    yield good("combiner", lambda: same_fields(combine(read(first), read(second)), read(both)))
    yield good("finalizer", lambda: same(finalize(read(both), read(final)).serialize(), tx))
    yield good("extractor", lambda: same(extract(read(final)), tx))
    yield good("combiner of unknown fields", lambda: same(combine(read(one), read(two)).raw, merged))


def _update(created: UntrustedPsbt, updated: UntrustedPsbt) -> UntrustedPsbt:
    """Put what the vector's updater knows beside the bare transaction: our `with_fields`, the vector's facts."""
    return created.with_fields({}, dict(enumerate(updated.input_maps)), dict(enumerate(updated.output_maps)))


def _with_types(psbt: UntrustedPsbt) -> UntrustedPsbt:
    typed: Mapping[int, dict[bytes, bytes]] = {
        index: {SIGHASH_FIELD: b"\1\0\0\0"} for index in range(len(psbt.inputs))
    }
    return psbt.with_fields({}, typed)


def _created(case: dict[str, Any]) -> None:
    inputs = [
        TxInput(OutPoint(bytes.fromhex(each["txid"])[::-1], each["vout"]), b"", 0xFFFFFFFF)
        for each in case["inputs"]
    ]
    outputs = [
        TxOutput(Amount(round(coins * COINS)), script_of(address, Network.REGTEST))
        for output in case["outputs"]
        for address, coins in output.items()
    ]
    ours = new_psbt(Transaction(2, tuple(inputs), tuple(outputs), 0), case["version"])
    same_fields(ours, UntrustedPsbt.parse(case["result"].encode()))


def core(folder: Path) -> Iterator[Case]:
    vectors = json.loads((folder / CORE).read_text())

    def read(text: str) -> UntrustedPsbt:
        return UntrustedPsbt.parse(text.encode())

    for number, case in enumerate(vectors["creator"]):
        yield good(f"creator {number}", functools.partial(_created, case))
    for number, case in enumerate(vectors["signer"]):
        if case["psbt"] == case["result"]:
            # something contradicts something: BIP 174's checks of a signer
            yield bad(f"signer {number} must sign nothing", functools.partial(judge, case["psbt"].encode()))
        else:
            run = functools.partial(sign, read(case["psbt"]), read(case["result"]), case["privkeys"])
            yield good(f"signer {number}", run)
    for number, case in enumerate(vectors["combiner"]):
        first, second = map(read, case["combine"])
        run = functools.partial(same_fields, combine(first, second), read(case["result"]))
        yield good(f"combiner {number}", run)
    for number, case in enumerate(vectors["finalizer"]):
        yield good(
            f"finalizer {number}", functools.partial(finalize, read(case["finalize"]), read(case["result"]))
        )
    for number, case in enumerate(vectors["extractor"]):
        raw = bytes.fromhex(case["result"])
        yield good(f"extractor {number}", functools.partial(same, extract(read(case["extract"])), raw))


PARTS = (
    Part("json/bip174_psbt.json", "roles", bip174),
    Part(CORE, "roles", core),
)
