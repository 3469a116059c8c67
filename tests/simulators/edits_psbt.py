"""The edits of a PSBT: what it says of amounts, scripts, keys and signatures, and its form."""

from __future__ import annotations

import random
import struct

from tests.simulators import wire
from tests.simulators.draft import Desk, Draft
from tests.simulators.edits import coin_of, edit, replaced, some_input
from tests.simulators.fields import derivations
from tests.simulators.houses import stranger
from tests.simulators.truth import FAR, Coin, p2wpkh

# What a PSBT says of amounts


@edit("psbt", 6)
def _no_proof(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Previous transactions left out, the true or a false witness UTXO in their place."""
    every = chance.random() < 0.5
    for found in draft.inputs if every else [some_input(draft, chance)]:
        coin = found and coin_of(draft, desk, found)
        if found and coin:
            found.fields = replaced(found.fields, b"\x00", None)
            if chance.random() < 0.8:
                found.fields.append((b"\x01", _utxo(coin, chance)))


def _utxo(coin: Coin, chance: random.Random) -> bytes:
    sats = coin.sats + chance.choice((0, 0, 0, 1, -1, 100_000, -coin.sats // 2))
    script = coin.script if chance.random() < 0.9 else stranger(3)
    return struct.pack("<Q", sats) + wire.sized(script)


@edit("psbt", 5)
def _second_amount(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A witness UTXO beside the previous transaction."""
    if (found := some_input(draft, chance)) and (coin := coin_of(draft, desk, found)):
        found.fields = [*replaced(found.fields, b"\x01", None), (b"\x01", _utxo(coin, chance))]


@edit("psbt", 7)
def _false_proof(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A previous transaction that says another amount or script, or another transaction altogether."""
    found = some_input(draft, chance)
    coin = found and coin_of(draft, desk, found)
    if not found or not coin:
        return
    previous = coin.previous
    match chance.randrange(4):
        case 0:
            previous = chance.choice(desk.purse.coins).previous
        case 1:
            old = struct.pack("<Q", coin.sats)
            claimed = max(coin.sats + chance.choice((1, 250_000, -coin.sats // 2)), 0)
            previous = previous.replace(old, struct.pack("<Q", claimed))
            if draft.outputs and chance.random() < 0.7:
                # the sums come out as before: what is missing goes to the miners
                max(draft.outputs, key=lambda each: each.sats).sats += claimed - coin.sats
        case 2:
            at = chance.randrange(len(previous))
            previous = previous[:at] + bytes((previous[at] ^ 1 << chance.randrange(8),)) + previous[at + 1 :]
        case _:
            previous = previous[: chance.randrange(len(previous))] + chance.randbytes(chance.randrange(3))
    found.fields = replaced(found.fields, b"\x00", previous)


@edit("psbt", 3)
def _swap_proofs(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if len(draft.inputs) > 1:
        one_, other = chance.sample(draft.inputs, 2)
        one_.fields, other.fields = other.fields, one_.fields


# What a PSBT says of scripts and keys


@edit("psbt", 4)
def _input_scripts(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A redeem script, witness script or internal key that is another one, missing, or out of place."""
    if found := some_input(draft, chance):
        kind = chance.choice((b"\x04", b"\x05", b"\x17"))
        wallet = draft.treasury.wallet
        other = wallet.place(1, chance.randrange(9))
        value = chance.choice(
            (
                None,
                other.redeem,
                other.witness,
                other.internal,
                p2wpkh(other.pubkeys[0]),
                chance.randbytes(32),
            )
        )
        found.fields = replaced(found.fields, kind, value)


@edit("psbt", 4)
def _input_hints(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if found := some_input(draft, chance):
        found.fields = _other_hints(draft, found.fields, chance, b"\x16", b"\x06")


@edit("psbt", 6)
def _output_hints(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Lies about any output, foreign ones too."""
    if draft.outputs:
        found = chance.choice(draft.outputs)
        found.fields = _other_hints(draft, found.fields, chance, b"\x07", b"\x02")


def _other_hints(
    draft: Draft, fields: wire.Map, chance: random.Random, taproot: bytes, plain: bytes
) -> wire.Map:
    wallet = draft.treasury.wallet
    kept = [(key, value) for key, value in fields if key[:1] not in {taproot, plain} or len(key) == 1]
    place = wallet.place(chance.randrange(2), chance.randrange(25))
    at = (
        chance.choice((0, 1, 2, 1 << 31)),
        chance.choice((place.index, chance.randrange(60), *FAR, 1 << 31)),
    )
    lies = derivations(wallet, place, at, taproot, plain)
    match chance.randrange(5):
        case 0:
            return kept
        case 1:
            return [*fields, *lies]
        case 2:
            return kept + [
                (key, chance.choice((bytes(4), b"\xde\xad\xbe\xef")) + value[4:]) for key, value in lies
            ]
        case 3:
            # one level too deep
            return kept + [(key, value + struct.pack("<I", chance.randrange(3))) for key, value in lies]
    return kept + lies


@edit("psbt", 2)
def _output_scripts(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if draft.outputs:
        found = chance.choice(draft.outputs)
        place = draft.treasury.wallet.place(1, chance.randrange(9))
        kind, value = chance.choice(
            ((b"\x00", place.redeem), (b"\x01", place.witness), (b"\x05", place.internal), (b"\x05", chance.randbytes(32)),
             (b"\x00", b"\x51"), (b"\x01", b"\x51"), (b"\x06", b"\x00\xc0\x01\x51"))
        )  # fmt: skip
        found.fields = replaced(found.fields, kind, value)


@edit("psbt", 7)
def _sighash(draft: Draft, desk: Desk, chance: random.Random) -> None:
    kind = chance.choice((0, 1, 2, 3, 0x41, 0x80, 0x81, 0x82, 0x83, 0x101, 0x100, 0xFFFFFFFF))
    every = chance.random() < 0.4
    for found in draft.inputs if every else [some_input(draft, chance)]:
        if found:
            found.fields = replaced(found.fields, b"\x03", struct.pack("<I", kind))


@edit("psbt", 3)
def _already_signed(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Signatures that are not, final scripts, and what belongs to other protocols."""
    if found := some_input(draft, chance):
        wallet = draft.treasury.wallet
        place = wallet.place(0, chance.randrange(5))
        pubkey = place.pubkeys[0]
        der = b"\x30\x44\x02\x20" + b"\x11" * 32 + b"\x02\x20" + b"\x22" * 32
        found.fields.append(
            chance.choice(
                (
                    (b"\x02" + pubkey, der + b"\x01"), (b"\x02" + pubkey, der + b"\x83"),
                    (b"\x02" + b"\x05" * 33, der + b"\x01"),
                    (b"\x13", b"\x33" * 64), (b"\x13", b"\x33" * 65), (b"\x07", b"\x51"), (b"\x08", b"\x01\x01\x51"),
                    (b"\x15" + b"\xc0" + b"\x01" * 32, b"\x51\xc0"), (b"\x18", b"\x44" * 32),
                    (b"\x14" + b"\x01" * 64, b"\x55" * 64), (b"\x1a" + pubkey, pubkey),
                    (b"\x1b" + pubkey * 2, b"\x02" * 66), (b"\x09", b"proof"),
                    (b"\x1d" + pubkey, pubkey), (b"\x0b" + b"\x66" * 32, b"preimage"),
                )
            )
        )  # fmt: skip


# The form of a PSBT


@edit("psbt", 3, harmless=True)
def _unknown_fields(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Types without a meaning, and other people's proprietary ones: to be carried and not believed."""

    def add(maps: list[wire.Map]) -> None:
        for _ in range(chance.randrange(1, 4)):
            kind = chance.choice((b"\x77", b"\x60", b"\xef", b"\xfc\x05other\x01"))
            chance.choice(maps).append((kind + chance.randbytes(6), chance.randbytes(chance.randrange(40))))

    draft.raw.append(add)


@edit("psbt", 2, harmless=True)
def _shuffle_fields(draft: Draft, desk: Desk, chance: random.Random) -> None:
    def shuffle(maps: list[wire.Map]) -> None:
        for entries in maps:
            chance.shuffle(entries)

    draft.raw.append(shuffle)


@edit("psbt", 1, harmless=True)
def _xpubs(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A wallet's keys as the PSBT tells them: a wallet is never learnt from there."""
    import wallycore

    key = draft.treasury.wallet.keys[0]
    raw = bytes(wallycore.base58_to_bytes(key.xpub, wallycore.BASE58_FLAG_CHECKSUM))
    path = key.fingerprint + struct.pack(f"<{len(key.origin)}I", *key.origin)
    if (b"\x01" + raw, path) not in draft.globals:
        draft.globals.append((b"\x01" + raw, path))


@edit("psbt", 3)
def _own_fields(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Falconer's own fields, of subtypes that do not exist or in the wrong map."""

    def add(maps: list[wire.Map]) -> None:
        chance.choice(maps).append(
            (
                wire.OURS
                + chance.choice((b"\x00", b"\x01", b"\x02", b"\x05", b"\x10", b"\x20", b"\x30", b"")),
                chance.randbytes(30),
            )
        )

    draft.raw.append(add)


@edit("psbt", 3)
def _double_field(draft: Draft, desk: Desk, chance: random.Random) -> None:
    def double(maps: list[wire.Map]) -> None:
        entries = chance.choice([each for each in maps if each] or [[(b"\x77", b"")]])
        key, value = chance.choice(entries)
        entries.append((key, chance.choice((value, value[:-1], chance.randbytes(len(value))))))

    draft.raw.append(double)


@edit("psbt", 3)
def _any_field(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Any bit of any field, or a field taken from one map into another."""

    def change(maps: list[wire.Map]) -> None:
        entries = chance.choice([each for each in maps if each] or [[(b"\x77", b"")]])
        place = chance.randrange(len(entries))
        key, value = entries[place]
        match chance.randrange(4):
            case 0 if value:
                at = chance.randrange(len(value))
                entries[place] = (
                    key,
                    value[:at] + bytes((value[at] ^ 1 << chance.randrange(8),)) + value[at + 1 :],
                )
            case 1 if key:
                at = chance.randrange(len(key))
                entries[place] = key[:at] + chance.randbytes(1) + key[at + 1 :], value
            case 2:
                entries.pop(place)
            case _:
                chance.choice(maps).append((key, value))

    draft.raw.append(change)


@edit("psbt", 2)
def _missing_map(draft: Draft, desk: Desk, chance: random.Random) -> None:
    def change(maps: list[wire.Map]) -> None:
        if chance.random() < 0.5:
            maps.insert(chance.randrange(len(maps) + 1), [])
        else:
            maps.pop(chance.randrange(len(maps)))

    draft.raw.append(change)


@edit("psbt", 2)
def _raw_bytes(draft: Draft, desk: Desk, chance: random.Random) -> None:
    def change(data: bytes) -> bytes:
        if not data:
            return b"psbt\xff"
        at = chance.randrange(len(data))
        return chance.choice(
            (
                data[:at],
                data + b"\x00",
                data[:at] + chance.randbytes(1) + data[at + 1 :],
                b"",
                b"cHNidP8=",
                data[1:],
                data * 2,
            )
        )

    draft.last.append(change)


@edit("psbt", 3)
def _fields_of_version_2(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Modifiable flags, lock times of inputs, counts and versions that contradict each other."""

    def change(maps: list[wire.Map]) -> None:
        kind, value, place = chance.choice(
            (
                (b"\x06", chance.randbytes(1), 0), (b"\x06", b"\x00", 0), (b"\x04", b"\x01", 0), (b"\x05", b"\x09", 0),
                (b"\xfb", struct.pack("<I", chance.choice((0, 1, 2, 3))), 0), (b"\x02", struct.pack("<I", 3), 0),
                (b"\x03", struct.pack("<I", 77), 0), (b"\x11", struct.pack("<I", 500_000_001), 1),
                (b"\x12", struct.pack("<I", 99), 1),
                (b"\x0e", chance.randbytes(32), 1), (b"\x0f", struct.pack("<I", 1), 1), (b"\x10", struct.pack("<I", 5), 1),
                (b"\x00", b"", 0),
            )
        )  # fmt: skip
        entries = maps[place if len(maps) > place else 0]
        entries[:] = [(key, old) for key, old in entries if key != kind]
        entries.append((kind, value))

    draft.raw.append(change)


@edit("psbt", 2, harmless=True)
def _other_version(draft: Draft, desk: Desk, chance: random.Random) -> None:
    draft.psbt_version = 2 - draft.psbt_version
