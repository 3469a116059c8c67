"""Payments of random wallets, built and judged by us, and every step of them done again by the others.

Parse, unsigned transaction, digest of each input, Combiner, Finalizer, Extractor, transaction id; and Bitcoin Core's own script
verification over what came out.
"""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import bdkpython as bdk
import wallycore as wally

from falconer_online.consensus import check_scripts
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.errors import FalconerError
from falconer_shared.psbt.build import new_psbt, to_version
from falconer_shared.psbt.combine import combine
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.create import build_psbt
from falconer_shared.roles.finalize import FinalTransaction, finalize
from falconer_shared.units import Amount
from falconer_shared.verify.fees import signed_weight
from falconer_shared.verify.inputs import VerifiedInput
from falconer_shared.verify.signatures import verify_signatures
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from falconer_shared.wallet.ownership import KnownIndexes, OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet
from tests.differential import explained, keys
from tests.differential.contents import differing
from tests.support.treasury import funding

HIGHEST_INDEX = 40
KNOWN = KnownIndexes({0: HIGHEST_INDEX, 1: HIGHEST_INDEX})

_FREE_FIELDS = {
    "global": ((b"\xfc\x03abc\x07more", b"anything"), (b"\x60\x01", b"of tomorrow")),
    "input": ((b"\xfc\x04name\x00", b"\x01"), (b"\x61\x05", b"of tomorrow")),
    "output": ((b"\xfc\x08falconer\x00", b"?"), (b"\x62\x07", b"of tomorrow")),
}
"""What may ride along without anybody minding."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A payment that is right: what it was made of, and its PSBT."""

    number: int
    wallet: RegisteredWallet
    seeds: Sequence[int]
    psbt: UntrustedPsbt


def sample(chance: random.Random) -> Sample:
    """A payment of a random wallet, with every choice that a Creator has."""
    number = chance.randrange(keys.WALLETS)
    wallet = keys.wallet_number(number)
    places = chance.sample(
        [OwnPlace(branch, index) for branch in (0, 1) for index in range(HIGHEST_INDEX)], _count(chance)
    )
    amounts = [chance.randrange(200_000, 50_000_000) for _ in places]
    previous = [
        funding(
            wallet.scripts(place.branch, place.index).script_pubkey,
            amount,
            salt,
            position=chance.randrange(3),
        )
        for salt, (place, amount) in enumerate(zip(places, amounts, strict=True))
    ]
    sequence = chance.choice((0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF))
    inputs = tuple(TxInput(OutPoint(tx.txid(), len(tx.outputs) - 1), b"", sequence) for tx in previous)
    change = [OwnPlace(1, chance.randrange(HIGHEST_INDEX)) for _ in range(chance.choice((0, 1, 1, 1, 2)))]
    pay = chance.choice((1, 1, 1, 2, 3, 8)) if change else 1
    scripts = [_script(chance) for _ in range(pay)]
    scripts += [wallet.scripts(place.branch, place.index).script_pubkey for place in change]
    locktime = chance.choice(
        (0, 0, 0, chance.randrange(1, 900_000), chance.randrange(500_000_000, 1_800_000_000))
    )

    def transaction(values: Sequence[int]) -> Transaction:
        outputs = tuple(
            TxOutput(Amount(value), script) for value, script in zip(values, scripts, strict=True)
        )
        return Transaction(chance_version, inputs, outputs, locktime)

    chance_version = chance.choice((1, 2, 2, 2))
    weight = signed_weight(transaction([100_000] * len(scripts)), wallet.descriptor)
    fee = weight.virtual_size() * chance.randrange(1, 12)
    values = _shared_out(chance, sum(amounts) - fee, len(scripts))
    psbt = build_psbt(
        transaction(values),
        wallet,
        [(place, tx.serialize()) for place, tx in zip(places, previous, strict=True)],
        {pay + position: place for position, place in enumerate(change)},
        chance.choice((0, 0, 2)),
    )
    return Sample(number, wallet, keys.seeds_of(number), _with_free_fields(chance, psbt))


def _count(chance: random.Random) -> int:
    return chance.choice((1, 1, 1, 2, 2, 3, 4, 9))


def _shared_out(chance: random.Random, total: int, parts: int) -> list[int]:
    """Values that sum up to the total, none of them dust."""
    weights = [chance.randrange(1, 100) for _ in range(parts)]
    values = [max(1_000, total * weight // sum(weights)) for weight in weights]
    values[values.index(max(values))] += total - sum(values)
    return values


def _script(chance: random.Random) -> bytes:
    """What strangers are paid with: every template that has an address."""
    data = hashlib.sha256(b"stranger %d" % chance.randrange(1000)).digest()
    kind = chance.randrange(5)
    if kind == 4:
        # a real point: its x has to be one
        return b"\x51\x20" + bytes(wally.ec_public_key_from_private_key(data))[1:]
    return (
        b"\x76\xa9\x14" + data[:20] + b"\x88\xac", b"\xa9\x14" + data[:20] + b"\x87", b"\0\x14" + data[:20], b"\0\x20" + data,
    )[kind]  # fmt: skip


def _with_free_fields(chance: random.Random, psbt: UntrustedPsbt) -> UntrustedPsbt:
    if chance.randrange(3):
        return psbt
    return psbt.with_fields(
        chance.sample(_FREE_FIELDS["global"], 1),
        {chance.randrange(len(psbt.inputs)): chance.sample(_FREE_FIELDS["input"], 2)},
        {chance.randrange(len(psbt.outputs)): chance.sample(_FREE_FIELDS["output"], 1)},
    )


def compare(chance: random.Random) -> Iterator[str]:
    """Every difference over one payment, from its first byte to its transaction id."""
    made = sample(chance)
    yield from differing(made.psbt.raw)
    if made.psbt.version == 2:
        yield from differing(to_version(made.psbt, 0).raw)
    verified = verify(made.psbt, made.wallet, KNOWN)
    yield from _digests(verified)
    answers = _answers(chance, made, verified)
    together = combine(made.psbt, *answers)
    yield from differing(together.raw)
    yield from _combined(made.psbt, answers, together)
    signed = verify_signatures(verified, together)
    if not signed.complete:
        yield from _not_finished(together)
        return
    final = finalize(signed)
    yield from _finished(together, final)
    check_scripts(final)


def _digests(verified: VerifiedTransaction) -> Iterator[str]:
    """Each input's digest, by libwally from the bytes of the PSBT."""
    psbt = _for_wally(verified.psbt)
    tx = wally.psbt_extract(psbt, wally.WALLY_PSBT_EXTRACT_NON_FINAL)
    if bytes(wally.sha256d(bytes(wally.tx_to_bytes(tx, 0))))[::-1].hex() != verified.unsigned_hash:
        yield "libwally: another hash of the unsigned transaction"
    for item in verified.inputs:
        theirs = bytes(wally.psbt_get_input_signature_hash(psbt, item.index, tx, _script_code(item), 0))
        if theirs != item.digest:
            yield f"libwally: another digest of input {item.index}, {item.kind.value}"


def _for_wally(psbt: UntrustedPsbt) -> object:
    """libwally's reading, in version 0 where it refuses the other: it wants transactions of version 2 in PSBTs of version 2."""
    readable = to_version(psbt, 0) if psbt.tx.version == 1 else psbt
    return wally.psbt_from_bytes(readable.raw, wally.WALLY_PSBT_PARSE_FLAG_STRICT)


def _script_code(item: VerifiedInput) -> bytes | None:
    """What libwally wants to be told: the script that is run. The P2PKH form of a key hash it does not make by itself."""
    if item.kind is InputKind.TAPROOT:
        return None
    scripts = item.scripts
    script = scripts.witness_script or scripts.redeem_script or item.script_pubkey
    if script[:2] == b"\0\x14":
        return b"\x76\xa9" + script[1:] + b"\x88\xac"
    return script


def _answers(chance: random.Random, made: Sample, verified: VerifiedTransaction) -> list[UntrustedPsbt]:
    """What the signers send back: whole, or trimmed to signatures; in the version that was sent, or in the other one."""
    wallet = made.wallet
    enough = wallet.threshold if chance.randrange(5) else chance.randint(1, wallet.size)
    answers = []
    for position in sorted(chance.sample(range(wallet.size), enough)):
        signatures = {
            item.index: [keys.signature(wallet, made.seeds, position, item)] for item in verified.inputs
        }
        base = made.psbt if chance.randrange(2) else new_psbt(made.psbt.tx, chance.choice((0, 2)))
        answers.append(base.with_fields(input_add=signatures))
    chance.shuffle(answers)
    return answers


def _combined(
    original: UntrustedPsbt, answers: Sequence[UntrustedPsbt], together: UntrustedPsbt
) -> Iterator[str]:
    """Combiner: libwally in the version of the original; rust-bitcoin in version 0. Each is fed what it can read."""
    theirs = _for_wally(original)
    version = wally.psbt_get_version(theirs)
    for answer in answers:
        wally.psbt_combine(theirs, _for_wally(to_version(answer, version)))
    again = bytes(wally.psbt_to_bytes(theirs, wally.WALLY_PSBT_SERIALIZE_FLAG_REDUNDANT))
    yield from differing(to_version(together, version).raw, "Combiner", wally=again)
    whole = bdk.Psbt(to_version(original, 0).base64())
    for answer in answers:
        whole = whole.combine(bdk.Psbt(to_version(answer, 0).base64()))
    yield from differing(to_version(together, 0).raw, "Combiner", rust=base64.b64decode(whole.serialize()))


def _not_finished(together: UntrustedPsbt) -> Iterator[str]:
    """Without a quorum nobody makes a transaction of it."""
    psbt = _for_wally(together)
    wally.psbt_finalize(psbt, 0)
    if wally.psbt_is_finalized(psbt):
        yield "libwally finalises what lacks a quorum"
    if bdk.Psbt(to_version(together, 0).base64()).finalize().could_finalize:
        yield "rust-bitcoin finalises what lacks a quorum"


def _finished(together: UntrustedPsbt, final: FinalTransaction) -> Iterator[str]:
    """Finalizer and Extractor; and we read their finished inputs as an answer that signed everything.

    Of more signatures than a quorum needs each party takes its own choice: then what they finished has to be what we make of the
    signatures that they took.
    """
    psbt = _for_wally(together)
    wally.psbt_finalize(psbt, 0)
    verified = final.signed.verified
    exactly = all(len(found) == verified.wallet.threshold for found in final.signed.signatures)
    parties = []
    if wally.psbt_is_finalized(psbt):
        extracted = wally.psbt_extract(psbt, 0)
        raw = bytes(wally.tx_to_bytes(extracted, wally.WALLY_TX_FLAG_USE_WITNESS))
        written = bytes(wally.psbt_to_bytes(psbt, 0))
        parties.append((explained.LIBWALLY, written, raw, bytes(wally.tx_get_txid(extracted))[::-1].hex()))
    else:
        seen = explained.Seen("finished PSBT", explained.LIBWALLY, together.raw, final, "not finalised")
        if explained.why(seen) is None:
            yield f"Finalizer, {seen.told()}"
    done = bdk.Psbt(to_version(together, 0).base64()).finalize()
    if not done.could_finalize:
        yield f"rust-bitcoin does not finalise: {done.errors}"
        return
    tx = done.psbt.extract_tx_unchecked_fee_rate()
    finished = base64.b64decode(done.psbt.serialize())
    parties.append((explained.RUST, finished, bytes(tx.serialize()), str(tx.compute_txid())))
    for peer, finished, raw, txid in parties:
        if exactly and raw != final.raw:
            yield f"Finalizer, {peer}: {raw.hex()}"
        try:
            again = finalize(verify_signatures(verified, UntrustedPsbt.parse(finished)))
        except FalconerError as refused:
            yield f"Finalizer, {peer}: its finished PSBT is refused: {refused.rule}"
            continue
        if (again.raw, again.txid_hex) != (raw, txid):
            yield f"Extractor, {peer}: {raw.hex()} becomes {again.raw.hex()} here"
