"""Every difference between us and the others that is explained: one entry each, as narrow as it can be said, with its reason.

What no entry covers is a finding. docs/verification.md shows this table, and a test holds both together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import coincurve
import wallycore

from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.finalize import FinalTransaction
from tests.differential.peers import Refusal

LIBWALLY = "libwally"
RUST = "rust-bitcoin"
_BOTH = (LIBWALLY, RUST)

KNOWN_XPUB_VERSIONS = {bytes.fromhex("0488b21e"), bytes.fromhex("043587cf")}


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that two parties read: our value or `Refusal`, their value or the text of their refusal."""

    subject: str
    peer: str
    given: bytes | str
    mine: object
    theirs: object

    def told(self) -> str:
        data = self.given.hex() if isinstance(self.given, bytes) else self.given
        if isinstance(self.mine, Refusal):
            return f"we refuse ({self.mine.rule}: {self.mine.message}) and it does not: {data}"
        return f"we accept and it refuses ({self.theirs}): {data}"


@dataclass(frozen=True, slots=True)
class Explained:
    """A class of differences. `rule` is our refusal's id; without one, it is they who refuse what we accept."""

    name: str
    subject: str
    peer: str
    rule: str | None
    reason: str
    applies: Callable[[Seen], bool] = lambda seen: True


def why(seen: Seen) -> str | None:
    """The name of the entry that explains a difference; None where there is none."""
    rule = seen.mine.rule if isinstance(seen.mine, Refusal) else None
    for each in EXPLAINED:
        if (each.subject, each.peer, each.rule) == (seen.subject, seen.peer, rule) and each.applies(seen):
            return each.name
    return None


def _psbt(seen: Seen) -> UntrustedPsbt:
    assert isinstance(seen.mine, UntrustedPsbt)
    return seen.mine


def _maps(psbt: UntrustedPsbt) -> tuple[dict[bytes, bytes], ...]:
    return tuple(dict(each) for each in (psbt.global_map, *psbt.input_maps, *psbt.output_maps))


def on_curve(point: bytes) -> bool:
    try:
        coincurve.PublicKey(point)
    except ValueError:
        return False
    return True


def points(psbt: UntrustedPsbt) -> Iterator[bytes]:
    """Every key in it that the others put on the curve."""
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


def _der(signature: bytes) -> bool:
    try:
        wallycore.ec_sig_from_der(signature[:-1])
    except ValueError:
        return False
    return True


def _error(pattern: str) -> Callable[[Seen], bool]:
    return lambda seen: re.search(pattern, str(seen.theirs)) is not None


def _says(pattern: str) -> Callable[[Seen], bool]:
    """Of our refusal: the field that it names."""
    return lambda seen: isinstance(seen.mine, Refusal) and re.search(pattern, seen.mine.message) is not None


def _both(*conditions: Callable[[Seen], bool]) -> Callable[[Seen], bool]:
    return lambda seen: all(condition(seen) for condition in conditions)


def _off_curve(seen: Seen) -> bool:
    return not all(map(on_curve, points(_psbt(seen))))


def _strange_signature(seen: Seen) -> bool:
    return not all(_der(each) for view in _psbt(seen).inputs for each in view.partial_sigs.values())


STANDARD_SIGHASHES = {1, 2, 3, 0x81, 0x82, 0x83}


def _strange_sighash_byte(seen: Seen) -> bool:
    found = [each[-1] for view in _psbt(seen).inputs for each in view.partial_sigs.values()]
    found += [
        value[64]
        for fields in _psbt(seen).input_maps
        for key, value in fields.items()
        if key[0] in {0x13, 0x14} and len(value) == 65
    ]
    return not STANDARD_SIGHASHES.issuperset(found)


def _strange_xpub(seen: Seen) -> bool:
    return any(
        key[1:5] not in KNOWN_XPUB_VERSIONS or not key[5] for key in _psbt(seen).global_map if key[0] == 0x01
    )


def _without_ends(seen: Seen) -> bool:
    return not _psbt(seen).tx.inputs or not _psbt(seen).tx.outputs


def _old_in_new(seen: Seen) -> bool:
    return _psbt(seen).version == 2 and _psbt(seen).tx.version in {0, 1}


def _empty_identifier(seen: Seen) -> bool:
    return any(key.startswith(b"\xfc\x00") for fields in _maps(_psbt(seen)) for key in fields)


def _empty_value(seen: Seen) -> bool:
    return any(value == b"" for fields in _maps(_psbt(seen)) for value in fields.values())


def _flags(seen: Seen) -> bool:
    return bool(_psbt(seen).global_map.get(b"\x06", b"\0")[0] & ~7)


def _other_sighash_byte(seen: Seen) -> bool:
    return any(
        view.sighash_type is not None
        and any(each[-1] != view.sighash_type for each in view.partial_sigs.values())
        for view in _psbt(seen).inputs
    )


def _version_2(seen: Seen) -> bool:
    return _psbt(seen).version == 2


def _no_output(seen: Seen) -> bool:
    return isinstance(seen.given, bytes) and not Transaction.parse(seen.given).outputs


def _long_script_sig(seen: Seen) -> bool:
    assert isinstance(seen.mine, FinalTransaction)
    return max(len(each.script_sig) for each in seen.mine.tx.inputs) > 520


def _stricter(
    rule: str,
    reason: str,
    peers: Sequence[str] = _BOTH,
    *,
    says: str = "",
    subject: str = "PSBT",
    name: str | None = None,
) -> tuple[Explained, ...]:
    """We refuse with that rule, in words that match `says`."""
    return tuple(
        Explained(f"{peer}-{subject}-{name or rule}", subject, peer, rule, reason, _says(says))
        for peer in peers
    )


def _looser(
    name: str, peer: str, reason: str, applies: Callable[[Seen], bool], subject: str = "PSBT"
) -> Explained:
    """They refuse, and what they refuse is there."""
    return Explained(f"{peer}-{subject}-{name}", subject, peer, None, reason, applies)


_UNKNOWN = "MUSIG2|SP_|OWNERSHIP_PROOF|POR_COMMITMENT"
_KNOWS_NOT = "it does not know the fields of BIP 127, 373 and 375, nor proofs of ownership"
_FIRST_BYTE = "it takes one byte of a key for its type, where BIP 174 has a CompactSize"
_AMOUNTS = "it leaves the range of amounts to others (A008)"
_LOOKS = "signatures are checked against digest and key, not by their looks (A083)"
_HINTS = "keys in a PSBT are hints: each is derived again and compared as bytes"
_XPUBS = "global xpubs are carried and never used: versions and depths are not looked at"
_SIGHASHES = "a signature of another sighash type than was asked for is refused by verification (A051)"
_520 = "it finalises no scriptSig of more than 520 bytes; the network takes 1,650"
_SECOND_FORM = "the witness form where no input has a witness: a second spelling"
_ONE_SPELLING = "steps are written in one way: it takes zeros before a number, or what is behind the mark h"

EXPLAINED: tuple[Explained, ...] = (
    # PSBTs that we refuse and they take
    *_stricter(
        "psbt-trailing-bytes",
        "it reads what it needs and ignores what follows (A076)",
        says="behind the last map",
    ),
    *_stricter(
        "trailing-bytes", "the same inside the unsigned or a previous transaction (A075)", (LIBWALLY,)
    ),
    *_stricter("amount-out-of-range", _AMOUNTS, (RUST,)),
    *_stricter(
        "psbt-field-not-in-version", "it carries fields of version 2 in version 0 as unknown ones (A069)"
    ),
    *_stricter("psbt-key-size", _KNOWS_NOT, says=_UNKNOWN),
    *_stricter("psbt-value-size", _KNOWS_NOT, says=_UNKNOWN),
    *_stricter("psbt-pubkey-form", _KNOWS_NOT, says=_UNKNOWN),
    *_stricter("psbt-taproot-leaf", "it does not compare the leaf's version with the control block's"),
    *_stricter(
        "psbt-nested-malformed",
        "it does not take leaf hashes and trees of taproot apart",
        (LIBWALLY,),
        says="TAP_",
    ),
    *_stricter(
        "psbt-taproot-tree", "it does not put trees of taproot together", (LIBWALLY,), says="TAP_TREE"
    ),
    *_stricter(
        "psbt-proprietary-malformed", "it does not take keys of proprietary fields apart", (LIBWALLY,)
    ),
    *_stricter("psbt-proprietary-malformed", _FIRST_BYTE, (RUST,), says="[248] bytes wanted"),
    *_stricter(
        "compact-size-not-minimal",
        "it takes longer spellings of a length than the shortest (A074)",
        (LIBWALLY,),
    ),
    *_stricter("compact-size-not-minimal", _FIRST_BYTE, (RUST,), says="type of a field|PROPRIETARY"),
    *_stricter("psbt-key-size", _FIRST_BYTE, (RUST,), says="type of a field", name="long-type"),
    *_stricter(
        "psbt-derivation-malformed",
        "it does not compare an xpub's depth with its path",
        (RUST,),
        says="a key of depth",
    ),
    # PSBTs that they refuse: nothing of this is ever evidence for us, so it is carried
    _looser(
        "empty",
        LIBWALLY,
        "a transaction without inputs or outputs: we refuse it later, as no payment",
        _without_ends,
    ),
    _looser(
        "tx-version",
        LIBWALLY,
        "BIP 370 asks Creators for transactions of version 2; 1 locks nothing, and is taken",
        _old_in_new,
    ),
    _looser(
        "identifier", LIBWALLY, "BIP 174 allows a proprietary identifier of no characters", _empty_identifier
    ),
    _looser("no-value", LIBWALLY, "BIP 174 allows values of no bytes", _empty_value),
    _looser(
        "flags",
        LIBWALLY,
        "flags that BIP 370 does not define: to us any flag says `modifiable`, which is refused later",
        _flags,
    ),
    _looser("xpub", LIBWALLY, _XPUBS, _strange_xpub),
    _looser("xpub", RUST, _XPUBS, _both(_error("ExtendedPublicKey"), _strange_xpub)),
    _looser("signature", LIBWALLY, _LOOKS, _strange_signature),
    _looser("signature", RUST, _LOOKS, _both(_error("invalid ECDSA signature"), _strange_signature)),
    _looser(
        "sighash",
        LIBWALLY,
        _SIGHASHES,
        _other_sighash_byte,
    ),
    _looser(
        "sighash",
        RUST,
        _SIGHASHES,
        _both(_error("sighash type"), _strange_sighash_byte),
    ),
    _looser("point", LIBWALLY, _HINTS, _off_curve),
    _looser("point", RUST, _HINTS, _both(_error("public key|control block|ExtendedPublicKey"), _off_curve)),
    _looser(
        "version-2",
        RUST,
        "rust-bitcoin 0.32 reads version 0 alone",
        _both(_error("versions greater than 0"), _version_2),
    ),
    # what comes out of the Finalizer
    _looser(
        "long",
        LIBWALLY,
        _520,
        _long_script_sig,
        "finished PSBT",
    ),
    # transactions
    *_stricter("trailing-bytes", "it ignores what follows (A075)", (LIBWALLY,), subject="transaction"),
    *_stricter(
        "transaction-witness-superfluous",
        _SECOND_FORM,
        (LIBWALLY,),
        subject="transaction",
    ),
    *_stricter("amount-out-of-range", _AMOUNTS, (RUST,), subject="transaction"),
    _looser(
        "no-output",
        LIBWALLY,
        "a transaction without outputs: we refuse it as a payment",
        _no_output,
        "transaction",
    ),
    # descriptors and keys
    *_stricter(
        "descriptor-multipath", "one spelling of a wallet: <0;1>, receive first", subject="descriptor"
    ),
    *_stricter("descriptor-single-path", "a wallet has receive and change addresses", subject="descriptor"),
    *_stricter(
        "descriptor-key-origin-mismatch",
        "an origin has to fit its key: fingerprint, depth, last step",
        subject="descriptor",
    ),
    *_stricter(
        "descriptor-form-unsupported",
        "forms that we do not sign for are refused by name",
        subject="descriptor",
    ),
    *_stricter("derivation-path-malformed", _ONE_SPELLING, subject="descriptor"),
    *_stricter(
        "wallet-coin-type-mismatch",
        "a key of another network's account is a mistake (A094)",
        subject="descriptor",
    ),
    *_stricter(
        "xpub-malformed", "a master key that names a parent or a child number", says="master", subject="xpub"
    ),
)


def carried(psbt: UntrustedPsbt, peer: str) -> bool:
    """Whether there is something in it that `peer` refuses and we carry, as the table says."""
    return why(Seen("PSBT", peer, psbt.raw, psbt, "refused")) is not None
