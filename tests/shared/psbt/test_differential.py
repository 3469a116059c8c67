"""Our parser beside two others: libwally (`wallycore`) and rust-bitcoin (`bdkpython`).

On well-formed PSBTs all agree on what is there. On mutated ones they need not, so each disagreement must be one of the kinds
written down here, with the reason why ours is the right side for a signer. One that is in no list fails the test.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Iterator

import bdkpython
import coincurve
import pytest
import wallycore

from falconer_shared.errors import Malformed
from falconer_shared.psbt.build import to_version
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.support import psbts
from tests.support.rawpsbt import RawPsbt

EMPTY_IDENTIFIER = ("input", 0xFC)
"""libwally refuses a proprietary identifier of no characters; BIP 174 allows it."""

WE_REFUSE_AND_WALLY_DOES_NOT = {
    "psbt-trailing-bytes": "it reads what it needs and ignores what follows (A076)",
    "trailing-bytes": "the same inside the unsigned and a previous transaction (A075)",
    "amount-out-of-range": "it leaves the range of amounts to others (A008)",
    "psbt-field-not-in-version": "it does not know that BIP 375 belongs to version 2 alone",
    "psbt-key-size": "it does not know BIP 373 and 375",
    "psbt-nested-malformed": "it does not take leaf hashes and trees of taproot apart",
    "psbt-pubkey-form": "it does not know BIP 373 and 375",
    "psbt-taproot-leaf": "it does not compare the two leaf versions",
    "psbt-taproot-tree": "it does not put trees of taproot together",
}

WE_REFUSE_AND_RUST_DOES_NOT = {
    "psbt-trailing-bytes": "it reads what it needs and ignores what follows (A076)",
    "amount-out-of-range": "it leaves the range of amounts to others (A008)",
    "psbt-field-not-in-version": "it carries fields of BIP 370 in version 0 as unknown ones (A069)",
    "psbt-key-size": "it does not know BIP 373",
    "psbt-proprietary-malformed": "it takes an identifier that is cut short",
    "psbt-pubkey-form": "it does not know BIP 373",
    "psbt-taproot-leaf": "it does not compare the two leaf versions",
}

POINT = re.compile(
    r"public key|xonly|control block|ExtendedPublicKey|ECDSA signature|sighash type|leaf version|Taproot"
)
"""What rust-bitcoin refuses and we carry: points that are not on the curve, signatures and sighash types that no key can make.

`verify` never takes a key from a PSBT: it derives each again and compares bytes, and checks each signature.
"""


def ours(data: bytes) -> str | UntrustedPsbt:
    try:
        psbt = UntrustedPsbt.parse(data)
        for view in psbt.inputs:
            assert view.non_witness_utxo is None or view.non_witness_utxo.inputs
    except Malformed as refusal:
        return refusal.rule
    return psbt


def wally(data: bytes) -> bytes | None:
    """The PSBT as libwally writes it again, or None where it refuses to read or to write it."""
    try:
        psbt = wallycore.psbt_from_bytes(data, wallycore.WALLY_PSBT_PARSE_FLAG_STRICT)
        return bytes(wallycore.psbt_to_bytes(psbt, wallycore.WALLY_PSBT_SERIALIZE_FLAG_REDUNDANT))
    except ValueError:
        return None


def rust(data: bytes) -> bytes | str:
    """The PSBT as rust-bitcoin writes it again, or its error."""
    try:
        return base64.b64decode(bdkpython.Psbt(base64.b64encode(data).decode()).serialize())
    except bdkpython.PsbtParseError as error:
        return repr(error)


DEFAULTS = {(b"\xfb", bytes(4)), (b"\x06", b"\x00"), (b"\x03", bytes(4))}
"""Global fields that say what their absence says too; libwally leaves them out or puts them in as it likes."""


def contents(data: bytes) -> list[dict[bytes, object]]:
    """The maps without the order of fields and without what the others change and mean the same by."""
    raw = RawPsbt(data)
    maps: list[dict[bytes, object]] = [dict(each) for each in raw.maps]
    maps[0] = {key: value for key, value in maps[0].items() if (key, value) not in DEFAULTS}
    for fields in maps[1 : 1 + raw.inputs_count]:
        if fields.get(b"\x10") == b"\xff" * 4:
            del fields[b"\x10"]
        if b"\x0f" in fields:
            # libwally takes the two highest bits of an output's number for flags of another chain, and drops them
            fields[b"\x0f"] = int.from_bytes(raw.get(list(fields.items()), b"\x0f"), "little") & 0x3FFFFFFF
    for fields in maps[1 + raw.inputs_count :]:
        if b"\x06" in fields:
            # rust-bitcoin writes the leaves of a tree in another order
            fields[b"\x06"] = sorted(leaves(fields[b"\x06"]))
    return maps


def leaves(tree: object) -> list[bytes]:
    assert isinstance(tree, bytes)
    found = []
    while tree:
        end = 3 + tree[2]
        found.append(tree[:end])
        tree = tree[end:]
    return found


@pytest.mark.parametrize("case", sorted(psbts.EXAMPLES))
def test_all_read_the_same_in_version_0(case):
    data = psbts.with_example(*case, 0)
    if case in psbts.ONLY_V2:
        assert ours(data) == "psbt-field-not-in-version"
        return
    assert isinstance(ours(data), UntrustedPsbt)
    again = rust(data)
    assert isinstance(again, bytes), again
    assert contents(again) == contents(data)
    again = wally(data)
    if case == EMPTY_IDENTIFIER:
        assert again is None
    else:
        assert again is not None
        assert contents(again) == contents(data)


@pytest.mark.parametrize("case", sorted(psbts.EXAMPLES))
def test_libwally_reads_the_same_in_version_2(case):
    data = psbts.with_example(*case, 2)
    psbt = ours(data)
    assert isinstance(psbt, UntrustedPsbt)
    again = wally(data)
    if case == EMPTY_IDENTIFIER:
        assert again is None
        return
    assert again is not None
    assert contents(again) == contents(data)
    parsed = wallycore.psbt_from_bytes(data, 0)
    extracted = wallycore.psbt_extract(parsed, wallycore.WALLY_PSBT_EXTRACT_NON_FINAL)
    assert bytes(wallycore.tx_to_bytes(extracted, 0)) == psbt.tx.serialize_stripped()


@pytest.mark.parametrize("inputs", [1, 2, 40])
def test_a_large_psbt_is_the_same_to_all(inputs):
    everything = {
        where: [
            (bytes((kind,)) + data, value)
            for (place, kind), (data, value) in psbts.EXAMPLES.items()
            if place == where and (place, kind) not in {*psbts.ONLY_V2, EMPTY_IDENTIFIER}
        ]
        for where in ("global", "input", "output")
    }
    data = psbts.v0(inputs=inputs, outputs=inputs, added=everything)
    psbt = ours(data)
    assert isinstance(psbt, UntrustedPsbt)
    for again in (wally(data), rust(data)):
        assert isinstance(again, bytes)
        assert contents(again) == contents(data)
    # the step to version 2 is the one that libwally takes, but for the flags: it opens the transaction for changes
    theirs = wallycore.psbt_from_bytes(data, 0)
    wallycore.psbt_set_version(theirs, 0, 2)
    converted = contents(
        bytes(wallycore.psbt_to_bytes(theirs, wallycore.WALLY_PSBT_SERIALIZE_FLAG_REDUNDANT))
    )
    assert converted[0].pop(b"\x06") == b"\x03"
    assert converted == contents(to_version(psbt, 2).raw)


def on_curve(point: bytes) -> bool:
    try:
        coincurve.PublicKey(point)
    except ValueError:
        return False
    return True


def wally_is_pickier(psbt: UntrustedPsbt) -> bool:
    """Whether there is something in it that libwally refuses and a signer of ours never relies on."""
    maps = (psbt.global_map, *psbt.input_maps, *psbt.output_maps)
    return (
        not psbt.tx.inputs
        or not psbt.tx.outputs
        or (psbt.version == 2 and psbt.tx.version in {0, 1})
        or any(key.startswith(b"\xfc\x00") for fields in maps for key in fields)
        or any(value == b"" for fields in maps for value in fields.values())
        or bool(psbt.global_map.get(b"\x06", b"\0")[0] & ~7)
        or any(key[1:5] not in KNOWN_XPUB_VERSIONS or not key[5] for key in psbt.global_map if key[0] == 1)
        or any(
            value[1:] != bytes(3)
            for fields in psbt.input_maps
            for key, value in fields.items()
            if key == b"\x03"
        )
        or not all(is_der(signature) for view in psbt.inputs for signature in view.partial_sigs.values())
        or not all(on_curve(point) for point in points(psbt))
    )


def points(psbt: UntrustedPsbt) -> Iterator[bytes]:
    """Every key in it that libwally puts on the curve."""
    yield from (key[46:] for key in psbt.global_map if key[0] == 1)
    for fields in psbt.input_maps:
        for key, value in fields.items():
            if key[0] in {0x02, 0x06}:
                yield key[1:]
            elif key[0] in {0x14, 0x16}:
                yield b"\x02" + key[1:33]
            elif key[0] == 0x15:
                yield b"\x02" + key[2:34]
            elif key[0] == 0x17:
                yield b"\x02" + value
    for fields in psbt.output_maps:
        for key, value in fields.items():
            if key[0] == 0x02:
                yield key[1:]
            elif key[0] == 0x07:
                yield b"\x02" + key[1:33]
            elif key[0] == 0x05:
                yield b"\x02" + value


KNOWN_XPUB_VERSIONS = {bytes.fromhex("0488b21e"), bytes.fromhex("043587cf")}


def is_der(signature: bytes) -> bool:
    try:
        wallycore.ec_sig_from_der(signature[:-1])
    except ValueError:
        return False
    return True


def mutations(seed: int, count: int) -> list[tuple[int, bytes]]:
    """(version, bytes): the examples with one or two bytes changed, always the same ones for a seed."""
    choose = random.Random(seed)
    bases = [
        (version, psbts.with_example(*case, version))
        for version in (0, 2)
        for case in sorted(psbts.EXAMPLES)
        if version == 2 or case not in psbts.ONLY_V2
    ]
    found = []
    for _ in range(count):
        version, base = choose.choice(bases)
        data = bytearray(base)
        for _ in range(choose.choice((1, 1, 2))):
            at = choose.randrange(5, len(data))
            act = choose.randrange(4)
            if act == 0:
                data[at] = choose.randrange(256)
            elif act == 1:
                data[at] ^= 1 << choose.randrange(8)
            elif act == 2:
                del data[at]
            else:
                data.insert(at, choose.choice((0, 1, 2, 0xFD, 0xFF)))
        found.append((version, bytes(data)))
    return found


def test_every_disagreement_over_a_mutated_psbt_is_explained():
    agreed = 0
    refused_alone: dict[str, set[str]] = {"wally": set(), "rust": set()}
    for version, data in mutations(seed=1, count=12_000):
        mine, theirs = ours(data), wally(data)
        accepted = isinstance(mine, UntrustedPsbt)
        agreed += accepted == (theirs is not None)
        if accepted:
            assert theirs is not None or wally_is_pickier(mine), data.hex()
            assert theirs is None or contents(theirs) == contents(data), data.hex()
        elif theirs is not None:
            refused_alone["wally"].add(mine)
        if version == 0:
            again = rust(data)
            if accepted:
                assert isinstance(again, bytes) or POINT.search(again), (again, data.hex())
                assert not isinstance(again, bytes) or contents(again) == contents(data), data.hex()
            elif isinstance(again, bytes):
                refused_alone["rust"].add(mine)
    assert refused_alone["wally"] == set(WE_REFUSE_AND_WALLY_DOES_NOT)
    assert refused_alone["rust"] == set(WE_REFUSE_AND_RUST_DOES_NOT)
    # most mutations leave no room for opinions; were that not so, the lists above would hide everything
    assert agreed > 7_000
