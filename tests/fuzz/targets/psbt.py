"""PSBTs of both versions, binary and base64: the same bytes back, whatever is read from them, and another library beside ours."""

from __future__ import annotations

import base64
import random
from functools import cache

import wallycore

from falconer_shared.errors import Malformed
from falconer_shared.psbt.build import to_version
from falconer_shared.psbt.combine import combine
from falconer_shared.psbt.parse import UntrustedPsbt, from_maps
from tests.differential.explained import LIBWALLY, carried
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt
from tests.support import psbts

MAX_LEN = 16_384
_READ = (
    "witness_utxo", "partial_sigs", "sighash_type", "redeem_script", "witness_script", "bip32_derivations",
    "tap_bip32_derivations", "tap_internal_key", "tap_key_sig", "has_script_path", "signature_fields", "final_script_sig",
    "final_script_witness",
)  # fmt: skip


def seeds() -> dict[str, bytes]:
    found = {"v0": psbts.v0(inputs=2, outputs=2), "v2": psbts.v2(inputs=2, outputs=2)}
    for where in ("global", "input", "output"):
        for version, make in ((0, psbts.v0), (2, psbts.v2)):
            found[f"{where} v{version}"] = make(added={where: list(_library(where, version))})
    found["base64"] = base64.b64encode(found["input v0"])
    found["hex"] = found["v0"].hex().encode()
    return found


@cache
def _library(where: str, version: int) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(
        (bytes((kind,)) + data, value)
        for (place, kind), (data, value) in sorted(psbts.EXAMPLES.items())
        if place == where and (version == 2 or (place, kind) not in psbts.ONLY_V2)
    )


@cache
def _everything() -> tuple[tuple[bytes, bytes], ...]:
    return tuple(field for where in ("global", "input", "output") for field in _library(where, 2))


def check(data: bytes) -> bool:
    psbt = attempt(lambda: UntrustedPsbt.parse(data))
    if psbt is None:
        return False
    assert psbt.raw == (data if data.startswith(b"psbt\xff") else base64.b64decode(data.strip()))
    assert from_maps(psbt.global_map, psbt.input_maps, psbt.output_maps) == psbt
    assert UntrustedPsbt.parse(psbt.base64().encode()) == psbt
    _read_all(psbt)
    _rewrite(psbt)
    _compare_with_wally(psbt)
    return True


def _read_all(psbt: UntrustedPsbt) -> None:
    for view in psbt.inputs:
        for name in _READ:
            getattr(view, name)
        previous = attempt(lambda view=view: view.non_witness_utxo)
        assert previous is None or previous.serialize() == view.fields[b"\x00"]
        utxo = view.witness_utxo
        assert utxo is None or utxo.serialize() == view.fields[b"\x01"]
    for output in psbt.outputs:
        assert output.bip32_derivations is not None
        assert output.tap_bip32_derivations is not None
    assert len(psbt.xpubs) == sum(key[0] == 1 for key in psbt.global_map)
    psbt.needs_unsupported()
    assert isinstance(psbt.modifiable, bool)


def _rewrite(psbt: UntrustedPsbt) -> None:
    other = attempt(lambda: to_version(psbt, 2 - psbt.version))
    if other is not None:
        assert other.tx == psbt.tx
        assert to_version(other, psbt.version).tx == psbt.tx
    assert combine(psbt, psbt).tx == psbt.tx
    assert not any(key[0] == 0xFC for fields in psbt.without_proprietary().input_maps for key in fields)


def _compare_with_wally(psbt: UntrustedPsbt) -> None:
    try:
        if any(
            view.non_witness_utxo is not None and not view.non_witness_utxo.inputs for view in psbt.inputs
        ):
            return
    except Malformed:
        # read late by us and at once by libwally, see `views`
        return
    try:
        theirs = wallycore.psbt_from_bytes(psbt.raw, wallycore.WALLY_PSBT_PARSE_FLAG_STRICT)
        extracted = wallycore.psbt_extract(theirs, wallycore.WALLY_PSBT_EXTRACT_NON_FINAL)
    except ValueError:
        assert carried(psbt, LIBWALLY) or _odd(psbt), "libwally refuses it"
        return
    if psbt.tx.outputs and not _odd(psbt):
        assert bytes(wallycore.tx_to_bytes(extracted, 0)) == psbt.tx.serialize_stripped(), "libwally differs"


def _odd(psbt: UntrustedPsbt) -> bool:
    """libwally takes the two highest bits of an output's number for flags of another chain."""
    return any(each.outpoint.vout >> 30 for each in psbt.tx.inputs)


def mutate(data: bytes, choose: random.Random) -> bytes:
    if choose.randrange(20) == 0:
        return base64.b64encode(data)
    return changes.psbt(data, choose, _everything())
