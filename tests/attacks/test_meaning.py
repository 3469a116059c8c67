"""What a transaction means: A047 to A068."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import struct
from typing import Any

from embit import script as embit_script

from falconer_offline import screen
from falconer_offline.session import sign_session
from falconer_online.proposals import reject
from falconer_online.replacing import bump
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.sighash import Bip143, Legacy
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.descriptor.ast import worst_case_weight
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.evaluate import evaluate
from falconer_shared.roles.finalize import finalize
from falconer_shared.units import MAX_STANDARD_WEIGHT, Amount, FeeRate
from falconer_shared.verify.signatures import verify_signatures
from falconer_shared.wallet.ownership import OwnPlace
from tests.attacks.mutations import (
    NON_WITNESS_UTXO,
    REDEEM_SCRIPT,
    SIGHASH_TYPE,
    WITNESS_SCRIPT,
    WITNESS_UTXO,
    claimed_utxo,
    proven,
    raw,
    resealed,
    with_input,
    with_transaction,
    with_tx_input,
    with_tx_output,
)
from tests.attacks.sources import shipped
from tests.attacks.trial import Attacks, Trial
from tests.offline.office import NOW, Ring, Willing, small
from tests.support.rawpsbt import RawPsbt, edited, size
from tests.support.treasury import (
    FORMS,
    Payment,
    ecdsa,
    private_key,
    root,
    schnorr,
    signed,
    stranger_address,
    wallet_of,
)

attack = Attacks()

WALLETS = {form: wallet_of(form) for form in FORMS}
WPKH, TR = WALLETS["wpkh"], WALLETS["tr"]


def test_attack(case, request):
    case.run(request)


def asking(data: bytes, sighash: int, index: int = 1) -> bytes:
    return with_input(data, index, SIGHASH_TYPE, struct.pack("<I", sighash))


def refused_for_each_form(trial: Trial, *sighashes: int, taproot: tuple[int, ...] = ()) -> None:
    for form, wallet in WALLETS.items():
        for version in (0, 2):
            data = raw(Payment(wallet, psbt_version=version))
            for good in (1, 0) if form == "tr" else (1,):
                trial.passes(lambda d=data, g=good, w=wallet: proven(asking(d, g), w))
            for sighash in (*sighashes, *(taproot if form == "tr" else ())):
                for index in (0, 1):
                    bad = asking(data, sighash, index)
                    trial.refused("sighash-not-all", lambda bad=bad, w=wallet: proven(bad, w))


@attack("A047", "sighash-not-all")
def sighash_none(trial: Trial) -> None:
    refused_for_each_form(trial, 0x02, 0x82)


@attack("A048", "sighash-not-all")
def sighash_single(trial: Trial) -> None:
    """With its output, and without: two inputs, one output."""
    refused_for_each_form(trial, 0x03, 0x83)
    for wallet in WALLETS.values():
        one_output = raw(Payment(wallet, pay=[(stranger_address(), 109_000)], change=[]))
        trial.passes(lambda d=one_output, w=wallet: proven(d, w))
        trial.refused("sighash-not-all", lambda d=one_output, w=wallet: proven(asking(d, 3), w))


@attack("A049", "sighash-not-all")
def anyone_can_pay(trial: Trial) -> None:
    refused_for_each_form(trial, 0x81, 0x80)


@attack("A050", "sighash-not-all", "psbt-value-size")
def undefined_types(trial: Trial) -> None:
    """Looked at as 32 bits: what a byte would cut to ALL is not ALL."""
    refused_for_each_form(trial, 0x04, 0x41, 0xFF, 0x100, 0x101, 0x10001, 0x80000001, 0xFFFFFFFF)
    for form in set(FORMS) - {"tr"}:
        data = raw(Payment(WALLETS[form]))
        trial.refused("sighash-not-all", lambda d=data, f=form: proven(asking(d, 0), WALLETS[f]))
    data = raw(Payment(WPKH))
    for value in (b"", b"\x01", b"\x01\x00\x00\x00\x00", b"\x01\x00\x00\x00\x00\x00\x00\x00"):
        odd = with_input(data, 0, SIGHASH_TYPE, value)
        trial.refused("psbt-value-size", lambda odd=odd: UntrustedPsbt.parse(odd))


@attack("A051", "signature-sighash-not-all")
def signature_of_another_type(trial: Trial) -> None:
    """By the right key over the right digest, with another byte behind it; and truly made under that type."""
    for form, wallet in WALLETS.items():
        psbt = Payment(wallet).psbt()
        verified = proven(psbt.raw, wallet)
        seeds = [1, 2][: wallet.threshold]
        answer = trial.passes(lambda p=psbt, v=verified, s=seeds: signed(p, v, s))
        trial.passes(lambda v=verified, a=answer: verify_signatures(v, a))
        key, right = next((k, v) for k, v in RawPsbt(answer.raw).input(1) if k[0] in {0x02, 0x13})
        bodies = (
            {right[:-1] + bytes([byte]) for byte in (0x00, 0x02, 0x03, 0x41, 0x81, 0x82, 0x83)}
            if form != "tr"
            else set()
        )
        if form == "tr":
            bodies = {right[:64] + bytes([byte]) for byte in (0x00, 0x01, 0x02, 0x83)}
        for wrong in bodies:
            bent = UntrustedPsbt.parse(with_input(answer.raw, 1, key, wrong))
            trial.refused("signature-sighash-not-all", lambda v=verified, b=bent: verify_signatures(v, b))
            # and where it stands in the request already
            there = with_input(psbt.raw, 1, key, wrong)
            trial.refused("signature-sighash-not-all", lambda t=there, w=wallet: proven(t, w))
    item = proven(Payment(WPKH)).inputs[1]
    none = _digest_none(Payment(WPKH).transaction(), item)
    wrong = ecdsa(private_key(1, WPKH.keys[0].origin, item.place), none, 2)
    there = with_input(raw(Payment(WPKH)), 1, b"\x02" + item.scripts.pubkeys[0], wrong)
    trial.refused("signature-sighash-not-all", lambda: proven(there, WPKH))


def _digest_none(tx: Transaction, item: Any) -> bytes:
    """BIP 143 under SIGHASH_NONE, by embit: ours computes no such thing."""
    from embit.transaction import Transaction as Theirs

    code = embit_script.p2pkh(root(1).derive([*WPKH.keys[0].origin, item.place.branch, item.place.index]).key)
    found = Theirs.parse(tx.serialize_stripped()).sighash_segwit(item.index, code, int(item.amount), 2)
    return bytes(found)


@attack("A051", "signature-sighash-not-all")
def at_the_coordinator(trial: Trial) -> None:
    """A cosigner's answer, signed in every other respect."""
    desk = trial.desk()
    made = desk.create(40_000)
    data = desk.request(made.row.id)
    answer = desk.answer(data)
    key, right = next((k, v) for k, v in RawPsbt(answer).input(0) if k[0] == 0x02)
    bent = with_input(answer, 0, key, right[:-1] + b"\x83")
    trial.refused("signature-sighash-not-all", lambda: desk.receive(bent))
    trial.passes(lambda: desk.receive(answer))


@attack(
    "A052",
    "input-witness-utxo-of-legacy-coin",
    "input-witness-script-mismatch",
    "input-redeem-script-mismatch",
)
def fields_of_another_kind_of_script(trial: Trial) -> None:
    """What would make a lenient signer choose another digest, on coins of each form."""
    for form, wallet in WALLETS.items():
        data = raw(Payment(wallet))
        trial.passes(lambda d=data, w=wallet: proven(d, w))
        scripts = wallet.scripts(0, 3)
        if form in {"pkh", "sh"}:
            claim = with_input(data, 0, WITNESS_UTXO, claimed_utxo(60_000, scripts.script_pubkey))
            trial.refused("input-witness-utxo-of-legacy-coin", lambda c=claim, w=wallet: proven(c, w))
        if scripts.witness_script is None:
            for script in (b"\x51", b"\x76\xa9\x14" + bytes(20) + b"\x88\xac", scripts.script_pubkey):
                odd = with_input(data, 0, WITNESS_SCRIPT, script)
                trial.refused("input-witness-script-mismatch", lambda odd=odd, w=wallet: proven(odd, w))
        if scripts.redeem_script is None:
            for script in (b"\x00\x14" + bytes(20), scripts.script_pubkey):
                odd = with_input(data, 0, REDEEM_SCRIPT, script)
                trial.refused("input-redeem-script-mismatch", lambda odd=odd, w=wallet: proven(odd, w))


@attack("A052", "signature-invalid")
def signature_over_the_other_digest(trial: Trial) -> None:
    """A true signature of the right key, over the digest of the other kind: on no form is it one."""
    for form in ("pkh", "wpkh", "sh-wpkh"):
        wallet = WALLETS[form]
        payment = Payment(wallet)
        verified = proven(payment)
        item = verified.inputs[0]
        code = (
            b"\x76\xa9\x14"
            + hashlib.new("ripemd160", hashlib.sha256(item.scripts.pubkeys[0]).digest()).digest()
            + b"\x88\xac"
        )
        digests = {
            "legacy": Legacy(verified.tx).digest(0, code, 1),
            "segwit": Bip143(verified.tx).digest(0, code, item.amount, 1),
        }
        key = private_key(1, wallet.keys[0].origin, item.place)
        right, wrong = ("legacy", "segwit") if form == "pkh" else ("segwit", "legacy")
        name = b"\x02" + item.scripts.pubkeys[0]
        good = with_input(raw(payment), 0, name, ecdsa(key, digests[right]))
        trial.passes(lambda g=good, w=wallet: proven(g, w))
        bad = with_input(raw(payment), 0, name, ecdsa(key, digests[wrong]))
        trial.refused("signature-invalid", lambda b=bad, w=wallet: proven(b, w))


@attack("A053", "input-redeem-script-mismatch", "input-witness-script-mismatch")
def scripts_without_commitment(trial: Trial) -> None:
    """One byte of each script changed, and the script of the neighbouring place."""
    for form in ("sh-wpkh", "sh", "sh-wsh", "wsh"):
        wallet = WALLETS[form]
        data = raw(Payment(wallet))
        trial.passes(lambda d=data, w=wallet: proven(d, w))
        for key, name in ((REDEEM_SCRIPT, "redeem_script"), (WITNESS_SCRIPT, "witness_script")):
            right = getattr(wallet.scripts(0, 3), name)
            if right is None:
                continue
            rule = f"input-{name.replace('_', '-')}-mismatch"
            variants = [right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :] for at in range(len(right))]
            variants += [getattr(wallet.scripts(0, 4), name), b"", right + b"\x51", b"\x51"]
            for wrong in variants:
                bent = with_input(data, 0, key, wrong)
                trial.refused(rule, lambda bent=bent, w=wallet: proven(bent, w))


@attack("A053", "input-not-ours", "input-amount-unproven")
def signer_checks_of_bip_174(trial: Trial) -> None:
    """The four of the BIP that a signer must refuse: well formed, and of no wallet of ours besides."""
    found = [
        bytes.fromhex(case["hex"])
        for case in json.loads((trial.vectors / "json" / "bip174_psbt.json").read_text())
        if case["kind"] == "signer_fail"
    ]
    assert len(found) == 4
    for form in ("sh", "sh-wsh"):
        trial.passes(lambda form=form: proven(Payment(WALLETS[form])))
        for data in found:
            UntrustedPsbt.parse(data)
            trial.refused_as(
                {"input-not-ours", "input-amount-unproven"},
                lambda data=data, form=form: proven(data, WALLETS[form]),
            )


@attack(
    "A054",
    "psbt-not-recognised",
    "psbt-needs-unsupported",
    prevented="no Bitcoin key signs anything but the digests of verified inputs: one module calls the signing functions",
)
def digest_as_a_message(trial: Trial) -> None:
    digest = proven(Payment(WPKH)).inputs[0].digest
    office = trial.office()
    trial.passes(lambda: office.judge(office.request()))
    for message in (digest, digest.hex().encode(), b"0x" + digest.hex().encode(), b"sign: " + digest):
        trial.refused("psbt-not-recognised", lambda m=message: UntrustedPsbt.parse(m))
    proof = with_input(raw(Payment(WPKH)), 0, b"\x09", digest.hex().encode())
    trial.refused("psbt-needs-unsupported", lambda: proven(proof, WPKH))
    callers = _callers(shipped())
    # the self-check signs known digests with a key that everybody knows
    both = {"sign", "sign_taproot"}
    assert callers == {"falconer_offline/sign.py": both, "falconer_offline/selfcheck.py": both}
    planted = {"planted.py": ast.parse("key.sign_taproot(message)"), **shipped()}
    assert "planted.py" in _callers(planted)
    # what the machine key signs begins with the six letters of SSHSIG, and is Ed25519: no digest, and no key of Bitcoin's
    words = [command for command in _offline_commands() if "message" in command]
    assert words == []


def _callers(sources: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Who calls what signs a digest with a private node, or the library under it; the defining module itself aside."""
    found: dict[str, set[str]] = {}
    for name, tree in sources.items():
        if name == "falconer_offline/keys/private.py":
            continue
        bitcoin = name == "falconer_offline/sign.py" or _imports(tree, "falconer_offline.keys.private")
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            called = node.func.attr
            if (
                called in {"sign_taproot", "sign_recoverable", "sign_schnorr"}
                or called.endswith("ecdsa_sign")
                or "schnorrsig_sign" in called
                or (called == "sign" and bitcoin and len(node.args) == 1)
            ):
                found.setdefault(name, set()).add(called)
    return found


def _imports(tree: ast.Module, module: str) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.module == module for node in ast.walk(tree))


def _offline_commands() -> list[str]:
    import click

    from falconer_offline.cli import root as commands

    def walk(group: click.Command, name: str) -> list[str]:
        if not isinstance(group, click.Group):
            return [name]
        context = click.Context(group)
        return [
            word
            for each in group.list_commands(context)
            if (command := group.get_command(context, each)) is not None
            for word in walk(command, f"{name} {each}")
        ]

    found = walk(commands, "falconer-offline")
    assert len(found) > 15
    return found


@attack(
    "A055",
    "transaction-version-unknown",
    "output-carries-data",
    "psbt-needs-unsupported",
    "fee-share-above-cap",
    "input-not-ours",
)
def proof_of_reserves_with_real_coins(trial: Trial) -> None:
    """BIP 322's two transactions for an address of ours, alone, with version 2, and with one of our coins added."""
    trial.passes(lambda: proven(Payment(WPKH)))
    script = WPKH.scripts(0, 3).script_pubkey
    message = hashlib.sha256(b"proof of reserves").digest()
    to_spend = Transaction(
        0,
        (TxInput(OutPoint(bytes(32), 0xFFFFFFFF), b"\x00\x20" + message, 0),),
        (TxOutput(Amount(0), script),),
        0,
    )
    nothing = TxOutput(Amount(0), b"\x6a")

    def to_sign(version: int, *, real: bool) -> bytes:
        def change(each: RawPsbt) -> None:
            tx = Transaction.parse_stripped(each.get(each.maps[0], b"\x00"))
            first = TxInput(OutPoint(to_spend.txid(), 0), b"", 0xFFFFFFFD if version else 0)
            inputs = (first, *tx.inputs[1:]) if real else (first,)
            each.set(each.maps[0], b"\x00", Transaction(version, inputs, (nothing,), 0).serialize_stripped())
            each.set(each.input(0), NON_WITNESS_UTXO, to_spend.serialize())
            each.set(each.input(0), WITNESS_UTXO, None)
            each.maps[:] = [each.maps[0], *each.maps[1 : 1 + len(inputs)], []]

        return edited(raw(Payment(WPKH)), change)

    for real in (False, True):
        trial.refused("transaction-version-unknown", lambda real=real: proven(to_sign(0, real=real), WPKH))
        trial.refused("output-carries-data", lambda real=real: proven(to_sign(2, real=real), WPKH))
        trial.refused("input-not-ours", lambda real=real: proven(to_sign(2, real=real), WALLETS["pkh"]))
    named = with_input(raw(Payment(WPKH)), 0, b"\x09", b"proof")
    trial.refused("psbt-needs-unsupported", lambda: proven(named, WPKH))
    trial.refused(
        "fee-share-above-cap", lambda: proven(Payment(WPKH, pay=[(stranger_address(), 294)], change=[]))
    )


@attack(
    "A056",
    "psbt-locktime-conflict",
    "psbt-locktime-range",
    "answer-other-transaction",
    prevented="the page says before which block or time it cannot confirm",
)
def lock_time(trial: Trial) -> None:
    office = trial.office()
    for locktime, words in (
        (0, None),
        (1, "before block 2"),
        (499_999_999, "before block 500000000"),
        (500_000_000, "before 1985-11-05 00:53:20 UTC"),
        (0xFFFFFFFF, "before 2106-02-07 06:28:15 UTC"),
    ):
        payment = Payment(office.wallet, locktime=locktime)
        judged = trial.passes(lambda p=payment: office.judge(office.request(p)))
        page = " ".join(" ".join(line.plain.split()) for line in screen.page(judged, office.state()))
        assert ("cannot confirm" in page) == (words is not None)
        assert words is None or words in page
    # the two kinds in one PSBT, and each out of its range
    data = raw(Payment(WPKH, psbt_version=2))
    height = with_input(data, 0, b"\x12", struct.pack("<I", 800_000))
    assert trial.passes(lambda: proven(height, WPKH)).locktime == 800_000
    both = with_input(height, 1, b"\x11", struct.pack("<I", 1_700_000_000))
    trial.refused("psbt-locktime-conflict", lambda: UntrustedPsbt.parse(both))
    for key, value in ((b"\x12", 500_000_000), (b"\x12", 0), (b"\x11", 499_999_999), (b"\x11", 0)):
        odd = with_input(data, 0, key, struct.pack("<I", value))
        trial.refused("psbt-locktime-range", lambda odd=odd: UntrustedPsbt.parse(odd))
    # replaced in what comes back
    verified = proven(Payment(WPKH))
    answer = signed(Payment(WPKH).psbt(), verified, [1])
    trial.passes(lambda: verify_signatures(verified, answer))
    locked = UntrustedPsbt.parse(
        with_transaction(answer.raw, lambda tx: dataclasses.replace(tx, locktime=499_999_999))
    )
    trial.refused("answer-other-transaction", lambda: verify_signatures(verified, locked))


@attack(
    "A057",
    "sequence-relative-lock",
    "answer-other-transaction",
    prevented="what is signed has the sequences that came in, and the page says that it may be replaced",
)
def sequences(trial: Trial) -> None:
    office = trial.office()
    for sequence in (0x80000000, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF):
        payment = Payment(office.wallet, sequence=sequence)
        judged = trial.passes(lambda p=payment: office.judge(office.request(p)))
        assert judged.verified.tx.serialize_stripped() == payment.transaction().serialize_stripped()
        page = " ".join(line.plain for line in screen.page(judged, office.state()))
        assert ("may be replaced" in page) == (sequence < 0xFFFFFFFE)
    for sequence in (0, 1, 144, 0x400001, 0x7FFFFFFF):
        payment = Payment(WPKH, sequence=sequence)
        trial.refused("sequence-relative-lock", lambda p=payment: proven(p))
        one = with_tx_input(raw(Payment(WPKH)), 1, sequence=sequence)
        trial.refused("sequence-relative-lock", lambda one=one: proven(one, WPKH))
    verified = proven(Payment(WPKH))
    answer = signed(Payment(WPKH).psbt(), verified, [1])
    for sequence in (0, 0xFFFFFFFF):
        rewritten = UntrustedPsbt.parse(with_tx_input(answer.raw, 0, sequence=sequence))
        trial.refused("answer-other-transaction", lambda r=rewritten: verify_signatures(verified, r))


@attack("A058", "transaction-version-unknown")
def transaction_versions(trial: Trial) -> None:
    for psbt_version in (0, 2):
        for version in (1, 2):
            trial.passes(lambda v=version, p=psbt_version: proven(Payment(WPKH, version=v, psbt_version=p)))
        for version in (0, 3, 4, -1, 2**31 - 1, -(2**31)):
            payment = Payment(WPKH, version=version, psbt_version=psbt_version)
            trial.refused("transaction-version-unknown", lambda p=payment: proven(p))


def final_witness(*items: bytes) -> bytes:
    return size(len(items)) + b"".join(size(len(item)) + item for item in items)


@attack(
    "A059",
    "input-already-final",
    "signature-invalid",
    "final-witness-invalid",
    prevented="a witness of ours never has an annex",
)
def annex(trial: Trial) -> None:
    psbt = Payment(TR).psbt()
    verified = proven(psbt.raw, TR)
    answer = signed(psbt, verified, [1])
    done = trial.passes(lambda: finalize(verify_signatures(verified, answer)))
    assert all(len(each.witness) == 1 for each in done.tx.inputs)
    signature = done.tx.inputs[0].witness[0]
    item = verified.inputs[0]
    trial.passes(lambda: evaluate(item, b"", (signature,)))
    for extra in (b"\x50", b"\x50" + bytes(32), b"\x50more", b"", b"\x51"):
        trial.refused("final-witness-invalid", lambda extra=extra: evaluate(item, b"", (signature, extra)))
        there = with_input(psbt.raw, 0, b"\x08", final_witness(signature, extra))
        trial.refused("input-already-final", lambda there=there: proven(there, TR))
        if extra:
            came = UntrustedPsbt.parse(with_input(answer.raw, 0, b"\x08", final_witness(signature, extra)))
            trial.refused("signature-invalid", lambda came=came: verify_signatures(verified, came))


def leaf_field(control: bytes, leaf: bytes, version: int) -> tuple[bytes, bytes]:
    return b"\x15" + control, leaf + bytes([version])


@attack("A060", "input-taproot-script-path", "psbt-taproot-leaf", "psbt-key-size", "final-witness-invalid")
def leaf_that_leads_nowhere(trial: Trial) -> None:
    """Right and wrong parity, another leaf version, a path too long: none is acted on, and the odd ones are malformed."""
    data = raw(Payment(TR))
    trial.passes(lambda: proven(data, TR))
    internal = TR.scripts(0, 3).internal_key
    assert internal is not None
    leaf = b"\x20" + internal + b"\xac"
    for control in (b"\xc0" + internal, b"\xc1" + internal, b"\xc0" + internal + bytes(32 * 128)):
        key, value = leaf_field(control, leaf, 0xC0)
        trial.refused(
            "input-taproot-script-path", lambda k=key, v=value: proven(with_input(data, 0, k, v), TR)
        )
    key, value = leaf_field(b"\xc2" + internal, leaf, 0xC2)
    trial.refused("input-taproot-script-path", lambda: proven(with_input(data, 0, key, value), TR))
    for control, version in ((b"\xc0", 0xC2), (b"\xc2", 0xC0), (b"\xc1", 0xC1)):
        key, value = leaf_field(control + internal, leaf, version)
        trial.refused(
            "psbt-taproot-leaf", lambda k=key, v=value: UntrustedPsbt.parse(with_input(data, 0, k, v))
        )
    for rest in (bytes(32 * 129), bytes(31), bytes(33), bytes(1)):
        key, value = leaf_field(b"\xc0" + internal + rest, leaf, 0xC0)
        trial.refused("psbt-key-size", lambda k=key, v=value: UntrustedPsbt.parse(with_input(data, 0, k, v)))
    verified = proven(data, TR)
    item = verified.inputs[0]
    good = schnorr(private_key(1, TR.keys[0].origin, item.place), item.digest)
    trial.passes(lambda: evaluate(item, b"", (good,)))
    trial.refused("final-witness-invalid", lambda: evaluate(item, b"", (good, leaf, b"\xc0" + internal)))


@attack("A061", "input-taproot-script-path", "sequence-relative-lock", "response-not-minimal")
def recovery_path_beside_the_main_one(trial: Trial) -> None:
    """A leaf for a recovery key: offered in the request, asked for by the sequence, slipped into the answer."""
    data = raw(Payment(TR))
    trial.passes(lambda: proven(data, TR))
    internal = TR.scripts(0, 3).internal_key
    assert internal is not None
    recovery = b"\x02\x90\x00\xb2\x75\x20" + internal + b"\xac"
    key, value = leaf_field(b"\xc0" + internal, recovery, 0xC0)
    trial.refused("input-taproot-script-path", lambda: proven(with_input(data, 0, key, value), TR))
    signature = with_input(data, 0, b"\x14" + internal + bytes(32), bytes(64))
    trial.refused("input-taproot-script-path", lambda: proven(signature, TR))
    leaves = edited(
        data,
        lambda each: each.set(
            each.input(0),
            b"\x16" + internal,
            b"\x01" + bytes(32) + each.get(each.input(0), b"\x16" + internal)[1:],
        ),
    )
    trial.refused("input-taproot-script-path", lambda: proven(leaves, TR))
    trial.refused("sequence-relative-lock", lambda: proven(Payment(TR, sequence=144)))
    from falconer_shared.exchange.response import parse_response

    desk = trial.desk()
    answer = desk.answer(desk.request(desk.create(40_000).row.id))
    trial.passes(lambda: parse_response(UntrustedPsbt.parse(answer)))
    slipped = with_input(answer, 0, b"\x14" + internal + bytes(32), bytes(64))
    trial.refused("response-not-minimal", lambda: parse_response(UntrustedPsbt.parse(slipped)))


BECH32 = (
    "address-malformed",
    "address-other-network",
    "base58-checksum",
    "bech32-character",
    "bech32-checksum",
    "bech32-mixed-case",
    "bech32-padding",
    "bech32-separator",
)


@attack("A062", *BECH32, "output-witness-version-unknown", "output-taproot-key-invalid")
def witness_versions(trial: Trial) -> None:
    data = raw(Payment(WPKH))
    known = with_tx_output(data, 0, script=TR.scripts(0, 7).script_pubkey)
    trial.passes(lambda: proven(known, WPKH))
    for version in range(2, 17):
        for program in (bytes(2), bytes(20), bytes(32), bytes(40)):
            script = bytes([0x50 + version, len(program)]) + program
            odd = with_tx_output(data, 0, script=script)
            trial.refused("output-witness-version-unknown", lambda odd=odd: proven(odd, WPKH))
    for script in (b"\x51\x02\x4e\x73", b"\x51\x14" + bytes(20), b"\x51\x21" + bytes(33)):
        odd = with_tx_output(data, 0, script=script)
        trial.refused("output-witness-version-unknown", lambda odd=odd: proven(odd, WPKH))
    no_point = with_tx_output(data, 0, script=b"\x51\x20" + b"\xff" * 32)
    trial.refused("output-taproot-key-invalid", lambda: proven(no_point, WPKH))
    tried = 0
    for name in ("bip173.json", "bip350.json"):
        for case in json.loads((trial.vectors / "json" / name).read_text()):
            if case["kind"] == "valid":
                continue
            for text in case.get("strings") or [case["text"]]:
                for network in (Network.MAINNET, Network.TESTNET4):
                    trial.refused_as(BECH32, lambda t=text, n=network: script_of(t, n))
                tried += 1
    assert tried >= 45


@attack("A063", "output-script-unknown", "output-witness-version-unknown")
def scripts_without_an_address(trial: Trial) -> None:
    data = raw(Payment(WPKH))
    trial.passes(lambda: proven(data, WPKH))
    key = b"\x02" + b"\x11" * 32
    for script in (
        b"",
        b"\x51",
        b"\xde\xad\xbe\xef",
        b"\x21" + key + b"\xac",
        b"\x41\x04" + bytes(64) + b"\xac",
        b"\x51\x21" + key + b"\x51\xae",
        b"\x52\x21" + key + b"\x21" + key + b"\x52\xae",
        b"\x00\x13" + bytes(19),
        b"\x00\x15" + bytes(21),
        b"\x00\x4c\x14" + bytes(20),
        b"\xa9\x4c\x14" + bytes(20) + b"\x87",
        b"\xa9\x14" + bytes(20) + b"\x88",
        b"\x76\xa9\x14" + bytes(20) + b"\x88\xad",
        b"\x76\xa9\x14" + bytes(20) + b"\x88\xac\x61",
        b"\xff" * 10_000,
    ):
        odd = with_tx_output(data, 0, script=script)
        trial.refused("output-script-unknown", lambda odd=odd: proven(odd, WPKH))
    for sats in (240, 70_000):
        anchor = with_tx_output(data, 0, script=b"\x51\x02\x4e\x73", value=Amount(sats))
        trial.refused("output-witness-version-unknown", lambda anchor=anchor: proven(anchor, WPKH))


@attack("A064", "weight-not-standard", "legacy-inputs-too-many")
def too_heavy_to_relay(trial: Trial) -> None:
    """Many outputs, on each side of the bound; many inputs; and inputs whose hashing takes the square of their number."""
    coin = [(OwnPlace(0, 0), 4_000_000)]

    def paying(count: int) -> Payment:
        pay = [(stranger_address(number), 1_000) for number in range(count)]
        return Payment(
            WPKH, coins=coin, pay=pay, change=[(OwnPlace(1, 0), 4_000_000 - 1_000 * count - 200_000)]
        )

    one, two = (int(proven(paying(count)).weight) for count in (1, 2))
    most = 1 + (MAX_STANDARD_WEIGHT - one - 8) // (two - one)
    assert int(trial.passes(lambda: proven(paying(most))).weight) <= MAX_STANDARD_WEIGHT
    trial.refused("weight-not-standard", lambda: proven(paying(most + 1)))
    for form, count, rule in (("wpkh", 1_500, "weight-not-standard"), ("pkh", 201, "legacy-inputs-too-many")):
        wallet = WALLETS[form]
        coins = [(OwnPlace(0, number), 10_000) for number in range(count)]
        change = [(OwnPlace(1, 0), 10_000 * count - 120_000)]
        many = Payment(wallet, coins=coins, change=change)
        trial.refused(rule, lambda many=many: proven(many))
    coins = [(OwnPlace(0, number), 10_000) for number in range(200)]
    change = [(OwnPlace(1, 0), 1_900_000)]
    trial.passes(lambda: proven(Payment(WALLETS["pkh"], coins=coins, change=change)))


@attack(
    "A064",
    prevented="weight bounds signature operations: no form comes near the 16,000 that nodes relay within 400,000 weight units",
)
def signature_operations(trial: Trial) -> None:
    """Cost of an input or output over the weight of it, times the standard weight (BIP 141: legacy ones cost four)."""
    most = 0
    for form, keys in (
        ("pkh", 1),
        ("sh-wpkh", 1),
        ("wpkh", 1),
        ("tr", 1),
        ("sh", 15),
        ("sh-wsh", 20),
        ("wsh", 20),
    ):
        wallet = trial.passes(lambda f=form, k=keys: wallet_of(f, 1, tuple(range(1, k + 1))))
        node = wallet.descriptor
        weight = int(worst_case_weight(node, 10 + 41 * 2, 2)) - int(worst_case_weight(node, 10 + 41, 1))
        operations = {"pkh": 0, "tr": 0, "sh": 15 * 4}.get(form, keys)
        most = max(most, operations * MAX_STANDARD_WEIGHT // weight)
    # an output to a key hash: 34 bytes, one operation of the old kind
    most = max(most, 4 * MAX_STANDARD_WEIGHT // (34 * 4))
    assert 0 < most < 16_000


@attack(
    "A065",
    "intent-coin-not-spent",
    "coin-held",
    prevented="a like payment within a week that this one does not replace is pointed out on the page",
)
def second_payment_with_other_coins(trial: Trial) -> None:
    office = trial.office()
    first = office.request()
    intent = office.judge(first).approved.intent
    trial.passes(lambda: sign(office, first))
    # under the same intent, from other coins: both could confirm
    trial.refused(
        "intent-coin-not-spent",
        lambda: office.judge(office.request(small(office.wallet, 7), alter_intent=lambda _: intent)),
    )
    # under an intent of its own, which the person is told
    second = small(office.wallet, 7)
    second.pay = [(stranger_address(), 70_000)]
    judged = trial.passes(lambda: office.judge(office.request(second)))
    assert [address for address, _ in judged.earlier.repeats] == [stranger_address()]
    page = "\n".join(line.plain for line in screen.page(judged, office.state()))
    assert "NOT replace" in page
    desk = trial.desk(coins=(60_000, 90_000))
    made = trial.passes(lambda: desk.create(40_000))
    outpoint = made.verified.inputs[0].outpoint
    trial.refused("coin-held", lambda: desk.create(30_000, coins=(outpoint,)))


def sign(office, data: bytes, now: int = NOW):
    return sign_session(office.state(), office.judge(data, now), Willing(), Ring(office), lambda: now)


@attack(
    "A066",
    "intent-payments-differ",
    "intent-fee-exceeded",
    prevented="the page says to the satoshi what a replacement changes",
)
def bump_that_pays_somebody_else(trial: Trial) -> None:
    office = trial.office()
    data = office.request()
    intent = office.judge(data).approved.intent
    trial.passes(lambda: sign(office, data))

    def bumped(fee: int, pay: list[tuple[str, int]]) -> bytes:
        left = 110_000 - fee - sum(sats for _, sats in pay)
        return office.request(
            Payment(office.wallet, pay=pay, change=[(OwnPlace(1, 2), left)]), alter_intent=lambda _: intent
        )

    honest = trial.passes(lambda: office.judge(bumped(2_000, [(stranger_address(), 70_000)])))
    assert honest.earlier.replaced[0].fee_change == 1_000
    assert honest.earlier.replaced[0].differences == ()
    for pay in (
        [(stranger_address(9), 70_000)],
        [(stranger_address(), 69_999)],
        [(stranger_address(), 70_001)],
        [(stranger_address(), 70_000), (stranger_address(9), 1_000)],
        [],
    ):
        trial.refused("intent-payments-differ", lambda pay=pay: office.judge(bumped(2_000, pay)))
    # change lowered, which is fee: up to what was approved
    assert intent.max_fee == 4_000
    trial.passes(lambda: office.judge(bumped(4_000, [(stranger_address(), 70_000)])))
    trial.refused("intent-fee-exceeded", lambda: office.judge(bumped(4_001, [(stranger_address(), 70_000)])))
    desk = trial.desk(coins=(400_000,))
    first = desk.create(max_fee=5_000)
    desk.out(first.row.id)
    second = trial.passes(lambda: bump(desk.coordinator, first.row.id, FeeRate.from_sats_per_vbyte(10)))
    assert [(o.script, o.amount) for o in second.verified.payments] == [
        (o.script, o.amount) for o in first.verified.payments
    ]


@attack(
    "A067",
    "intent-expired",
    "approval-invalid",
    "proposal-state",
    prevented="the same transaction again spends the same coins and counts once; the page says when it was signed before",
)
def old_proposal_again(trial: Trial) -> None:
    office = trial.office(human_approval_threshold_sats=50_000, max_daily_spend_sats=300_000)
    data = office.request(approvers=("anna",))
    first = trial.passes(lambda: sign(office, data))
    again = trial.passes(lambda: office.judge(data, NOW + 3_600))
    assert again.earlier.same == (NOW,)
    assert {v.rule: v.value for v in again.approved.verdicts}["max_daily_spend_sats"] == "71000"
    second = sign(office, data, NOW + 3_600)
    signatures = [[view.partial_sigs for view in answer.psbt.inputs] for answer in (first, second)]
    assert signatures[0] == signatures[1]
    expires = again.approved.intent.expires
    trial.refused("intent-expired", lambda: office.judge(data, expires))
    # under a fresh intent the old approval is for another text
    envelope = office.judge(data, NOW + 3_600)
    later = dataclasses.replace(envelope.approved.intent, expires=expires + 86_400)
    renewed = resealed(data, intent=later)
    trial.refused("approval-invalid", lambda: office.judge(renewed, NOW + 3_600))
    desk = trial.desk()
    made = desk.create(40_000)
    answer = desk.answer(desk.request(made.row.id))
    trial.passes(lambda: desk.receive(answer))
    reject(desk.coordinator, made.row.id, "not any more")
    desk.receive(answer)
    trial.refused("proposal-state", lambda: desk.broadcast(made.row.id))
    trial.refused("proposal-state", lambda: desk.request(made.row.id))


@attack(
    "A068",
    "policy-confirmations",
    prevented="a parent that changes has another id, and then the signed transaction is worthless",
)
def parents_that_may_still_change(trial: Trial) -> None:
    """The coordinator sees depths, and asks for as many as the policy says; the signer says that it sees none."""
    desk = trial.desk(coins=(90_000,), min_confirmations=3)
    desk.node.obeys_depth = False
    (outpoint,) = desk.node.funds
    desk.node.depths[outpoint] = 3
    trial.passes(lambda: desk.create(40_000))
    for depth in (2, 0):
        shallow = trial.desk(f"desk-{depth}", coins=(90_000,), min_confirmations=3)
        shallow.node.obeys_depth = False
        shallow.node.depths[outpoint] = depth
        trial.refused("policy-confirmations", lambda s=shallow: s.create(40_000))
    office = trial.office(min_confirmations=3)
    judged = trial.passes(lambda: office.judge(office.request()))
    assert {v.rule: v.outcome.value for v in judged.approved.verdicts}["min_confirmations"] == "unseen"
    # a legacy parent whose scriptSig is bent in the mempool: its id is another, so the input names a coin that never was
    parent = Payment(WPKH).previous()[0]
    bent = dataclasses.replace(parent, inputs=(dataclasses.replace(parent.inputs[0], script_sig=b"\x51"),))
    assert bent.txid() != parent.txid()
