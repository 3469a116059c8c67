"""Answers in the shapes in which the signers of the world give them: whole, trimmed, finished, as a transaction.

Signed by embit's own PSBT class, which is the one that SeedSigner, Specter-DIY and Krux carry, and finished by libwally.
"""

from __future__ import annotations

from collections.abc import Callable

import embit.psbt
import wallycore

from falconer_shared.psbt.build import new_psbt, to_version
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.support.treasury import root


def signed(data: bytes, *seeds: int) -> embit.psbt.PSBT:
    """As those devices sign: what they parsed, with their signatures added."""
    psbt = embit.psbt.PSBT.parse(data)
    for seed in seeds:
        assert psbt.sign_with(root(seed)) == len(psbt.inputs)
    return psbt


def whole(data: bytes, seed: int) -> bytes:
    """Everything that came, and the signatures."""
    return bytes(signed(data, seed).serialize())


def trimmed(data: bytes, seed: int) -> bytes:
    """SeedSigner, Specter-DIY and Krux over QR: the transaction and what was signed, in version 0."""
    psbt = signed(data, seed)
    small = embit.psbt.PSBT(psbt.tx)
    for mine, theirs in zip(psbt.inputs, small.inputs, strict=True):
        theirs.partial_sigs = mine.partial_sigs
        theirs.final_scriptwitness = mine.final_scriptwitness
    return bytes(small.serialize())


def trimmed_2(data: bytes, seed: int) -> bytes:
    """The same from a signer that speaks version 2."""
    return to_version(UntrustedPsbt.parse(trimmed(data, seed)), 2).raw


def with_key_signature(data: bytes, seed: int) -> bytes:
    """Taproot's own field, where embit writes a final witness."""
    psbt = UntrustedPsbt.parse(trimmed(data, seed))
    fields = {
        number: [(b"\x13", view.final_script_witness[0])]
        if view.final_script_witness
        else view.signature_fields
        for number, view in enumerate(psbt.inputs)
    }
    return new_psbt(psbt.tx).with_fields(input_add=fields).raw


def as_base64(data: bytes, seed: int) -> bytes:
    return UntrustedPsbt.parse(trimmed(data, seed)).base64().encode() + b"\r\n"


SHAPES: tuple[Callable[[bytes, int], bytes], ...] = (whole, trimmed, trimmed_2, with_key_signature, as_base64)
"""From a request and the seed of one signer to that one's answer."""


def finished(data: bytes, *seeds: int) -> UntrustedPsbt:
    """Signed in turn, and finished by the last one."""
    psbt = wallycore.psbt_from_bytes(bytes(signed(data, *seeds).serialize()), 0)
    wallycore.psbt_finalize(psbt, 0)
    assert wallycore.psbt_is_finalized(psbt)
    return UntrustedPsbt.parse(bytes(wallycore.psbt_to_bytes(psbt, 0)))


def final_fields_alone(psbt: UntrustedPsbt) -> UntrustedPsbt:
    fields = {
        number: {key: value for key, value in view.fields.items() if key in {b"\x07", b"\x08"}}
        for number, view in enumerate(psbt.inputs)
    }
    assert all(fields.values())
    return new_psbt(psbt.tx).with_fields(input_add=fields)


def extracted(psbt: UntrustedPsbt) -> bytes:
    theirs = wallycore.psbt_from_bytes(psbt.raw, 0)
    return bytes(
        wallycore.tx_to_bytes(wallycore.psbt_extract(theirs, 0), wallycore.WALLY_TX_FLAG_USE_WITNESS)
    )


FINISHED: dict[str, Callable[[UntrustedPsbt], bytes]] = {
    "whole": lambda psbt: psbt.raw,
    "final fields alone": lambda psbt: final_fields_alone(psbt).raw,
    "final fields alone, version 2": lambda psbt: to_version(final_fields_alone(psbt), 2).raw,
    "transaction": extracted,
    "hexadecimal": lambda psbt: extracted(psbt).hex().encode() + b"\n",
    "capital hexadecimal": lambda psbt: b" " + extracted(psbt).hex().upper().encode() + b"\r\n",
}
"""How the last signer hands out what is finished."""
