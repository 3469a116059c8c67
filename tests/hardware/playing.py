"""One recording through our implementation, to the end that it comes to here."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from falconer_offline.hardware.answer import signatures_of
from falconer_offline.hardware.client import HwiSigner
from falconer_offline.hardware.desk import pick, refusal_of
from falconer_offline.hardware.models import check_can_sign
from falconer_offline.hardware.request import device_psbt
from falconer_offline.hardware.signer import AddressAt, Device
from falconer_shared.bitcoin.bip32 import parse_path
from falconer_shared.errors import DeviceError, FalconerError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.verify.partial import Signatures
from falconer_shared.verify.signatures import SignatureVerifiedPsbt, verify_made
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from tests.hardware.recordings import Recording, counted
from tests.hardware.stage import driver
from tests.support.treasury import NOTHING_KNOWN

_PURPOSES = {"wit": 84, "tap": 86}
_PATIENT = (3, 12, 48)
"""Seconds that a device is given which will never answer: more on a machine that is so busy that it was cut short."""


class WrongEndError(AssertionError):
    """A recording that came to another end than HWI's, and to no refusal of ours."""


def end_of(folder: Path, name: str) -> str:
    """What comes of it: what was accepted, or the id of the refusal."""
    recording = Recording.read(folder, name)
    try:
        return _PLAYS[recording.command](folder, recording)
    except FalconerError as refused:
        return refused.rule


def _same(found: object, recorded: object) -> None:
    if found != recorded:
        raise WrongEndError(f"{found!r}, recorded {recorded!r}")


def _found(signer: HwiSigner, recording: Recording) -> Device:
    return pick(signer.list(), recording.fingerprint) if recording.finds_first else recording.device


def _listed(folder: Path, recording: Recording) -> str:
    with driver(folder, recording.name, network=recording.network) as (signer, place):
        (device,) = signer.list()
        signer.close()
        place.check_used_up()
    (expected,) = recording.expected
    _same(
        (device.kind.value, device.path, device.model),
        (expected["type"], expected["path"], expected["model"]),
    )
    _same(device.label, expected["label"] or "")
    _same(device.fingerprint, expected.get("fingerprint"))
    _same(device.needs_pin, expected.get("needs_pin_sent", False))
    _same(device.needs_passphrase, expected.get("needs_passphrase_sent", False))
    _same(device.detail, expected.get("error", ""))
    why = refusal_of(device)
    return f"listed {device.fingerprint}" if why is None else why.rule


def _keys(folder: Path, recording: Recording) -> str:
    with driver(folder, recording.name, network=recording.network) as (signer, place):
        try:
            device = _found(signer, recording)
            if recording.command == "getdescriptors":
                _same(signer.fingerprint(device), recording.fingerprint)
                for descriptor in recording.expected["receive"]:
                    origin, key = descriptor.split("[", 1)[1].split("/0/*", 1)[0].split("]")
                    _same(signer.xpub(device, parse_path(origin.split("/", 1)[1])), key)
                count = len(recording.expected["receive"])
            else:
                _same(signer.xpub(device, parse_path(_path(recording))), recording.expected.get("xpub"))
                count = 1
        finally:
            signer.close()
            place.check_used_up()
    return counted(count, "extended key")


def _path(recording: Recording) -> str:
    if recording.command == "getxpub":
        return recording.words[-1].removeprefix("m/")
    return f"{_PURPOSES[recording.option('--addr-type') or 'wit']}h/1h/0h"


def _address(folder: Path, recording: Recording) -> str:
    descriptor = (recording.option("--desc") or "").split("#")[0]
    with driver(folder, recording.name, network=recording.network) as (signer, place):
        try:
            shown = signer.show_address(recording.device, AddressAt(descriptor))
        finally:
            signer.close()
            place.check_used_up()
    _same(shown, recording.expected.get("address"))
    return "address"


def _signed(folder: Path, recording: Recording) -> str:
    signed = signed_of(folder, recording)
    return counted(sum(map(len, signed.signatures)), "signature")


def signed_of(folder: Path, recording: Recording) -> SignatureVerifiedPsbt:
    """The device's signatures on the recorded PSBT, as `sign` comes to them: verified, rebuilt, asked, looked through.

    Played once in a process: it is the same every time.
    """
    if recording.name not in _PLAYED:
        _PLAYED[recording.name] = _signed_now(folder, recording)
    return _PLAYED[recording.name]


_PLAYED: dict[str, SignatureVerifiedPsbt] = {}


def _signed_now(folder: Path, recording: Recording) -> SignatureVerifiedPsbt:
    verified = verify(recording.psbt, recording.wallet(), NOTHING_KNOWN)
    positions = positions_of(verified, recording)
    for position in positions:
        check_can_sign(recording.kind, verified.wallet, position)
    ours = device_psbt(verified)
    given = recording.psbt
    if given.version == 0:
        # so that what is played is what real firmware answered to the very PSBT that we make
        _same(_maps(ours), _maps(given))
    made = signatures_of(verified, given, answer_to(folder, recording, given), positions)
    _same(_flat(made), recording.signatures)
    return verify_made(verified, made)


def _maps(psbt: UntrustedPsbt) -> object:
    """Every field of it. In which order the fields of a map stand, no device looks at."""
    return psbt.global_map, psbt.input_maps, psbt.output_maps


def _maps(psbt: UntrustedPsbt) -> object:
    """All fields. The order within a map says nothing, and HWI sorts before it speaks."""
    return (psbt.global_map, psbt.input_maps, psbt.output_maps)


def positions_of(verified: VerifiedTransaction, recording: Recording) -> tuple[int, ...]:
    """The device's keys in the wallet; the first one where it has none, so that what it says is looked through too."""
    own = (
        number
        for number, key in enumerate(verified.wallet.keys)
        if key.fingerprint.hex() == recording.fingerprint
    )
    return tuple(own) or (0,)


def answer_to(folder: Path, recording: Recording, given: UntrustedPsbt) -> bytes:
    """What the device gives back; a device that never answers is tried with more and more time until it had heard all."""
    for seconds in _PATIENT if recording.expected == {"hang": True} else (60,):
        with driver(folder, recording.name, network=recording.network, seconds=seconds) as (signer, place):
            try:
                answer = signer.sign(_found(signer, recording), given.raw)
            except DeviceError as refused:
                signer.close()
                if (
                    refused.rule == "device-timeout"
                    and place.outcome()["trezor"]["left"]
                    and seconds < _PATIENT[-1]
                ):
                    continue
                place.check_used_up()
                raise
            signer.close()
            place.check_used_up()
        _same(UntrustedPsbt.parse(answer), UntrustedPsbt.parse(base64.b64decode(recording.expected["psbt"])))
        return answer
    raise WrongEndError("no time was enough")


def _flat(made: Sequence[Signatures]) -> list[tuple[int, str]]:
    return sorted((index, each.hex()) for index, found in enumerate(made) for each in found.values())


_PLAYS = {
    "enumerate": _listed,
    "getxpub": _keys,
    "getmasterxpub": _keys,
    "getdescriptors": _keys,
    "displayaddress": _address,
    "signtx": _signed,
}
