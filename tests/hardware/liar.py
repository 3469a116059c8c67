"""A device that lies, where HWI's own client classes stand: in the driver process, and put there by tests alone.

It signs with embit what it is given, and answers as one of `LIES` says.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import embit.psbt
from embit import script
from embit.bip32 import HDKey
from embit.ec import PrivateKey, PublicKey
from embit.networks import NETWORKS
from embit.transaction import SIGHASH

from falconer_offline.hardware import driver, wire
from falconer_shared.bitcoin.transaction import Transaction, TxInput, TxOutput
from falconer_shared.psbt.build import new_psbt
from falconer_shared.psbt.parse import UntrustedPsbt

PROGRAM = """
import sys
from falconer_offline import airgap
airgap.arm()
from falconer_offline.hardware import wire
wire.command = lambda executable, mode: (executable, "-I", "-c", {driver!r}, mode)
from falconer_offline.cli import run
raise SystemExit(run(sys.argv[1:]))
"""
"""The offline program, as its entry point runs it, but with another driver process."""

DRIVER = """
import sys
sys.path.insert(0, {project!r})
from tests.hardware import liar
raise SystemExit(liar.main({lie!r}, {seeds!r}, {kind!r}))
"""

KIND = "trezor"
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
PARTIAL_SIG, SIGHASH_TYPE, DERIVATION, TAP_KEY_SIG = b"\x02", b"\x03", b"\x06", b"\x13"
UNSIGNED_TX = b"\x00"
UNKNOWN = b"\xfc\x04test\x00"

Fields = dict[bytes, bytes]


def root(seed: int) -> HDKey:
    """The key behind `treasury.root`, without what that imports."""
    return HDKey.from_seed(
        hashlib.sha512(b"falconer test key %d" % seed).digest(), NETWORKS["regtest"]["xprv"]
    )


class Given:
    """What the device was handed, and what it can make of it."""

    def __init__(self, raw: bytes, seed: int) -> None:
        self.psbt = UntrustedPsbt.parse(raw)
        self.seed = seed

    def signatures(
        self, psbt: UntrustedPsbt | None = None, sighash: int | None = None, seed: int | None = None
    ) -> list[Fields]:
        """The fields that an honest signer would add to each input, of this transaction or another one."""
        signer = embit.psbt.PSBT.parse((psbt or self.psbt).raw)
        for scope in signer.inputs:
            scope.sighash_type = sighash if sighash is not None else scope.sighash_type
        signer.sign_with(root(self.seed if seed is None else seed), sighash=None)
        return [self._fields(scope) for scope in signer.inputs]

    @staticmethod
    def _fields(scope: Any) -> Fields:
        if scope.final_scriptwitness is not None:
            return {TAP_KEY_SIG: scope.final_scriptwitness.items[0]}
        return {PARTIAL_SIG + key.sec(): signature for key, signature in scope.partial_sigs.items()}

    def answer(self, fields: list[Fields], psbt: UntrustedPsbt | None = None) -> bytes:
        """The PSBT with these fields."""
        return (psbt or self.psbt).with_fields(input_add=dict(enumerate(fields))).raw

    def signed(self, psbt: UntrustedPsbt) -> bytes:
        """Another PSBT with its own valid signatures."""
        return self.answer(self.signatures(psbt), psbt)

    def other(self, **changes: Any) -> UntrustedPsbt:
        """The PSBT around another transaction; the maps stay."""
        tx = self.psbt.tx
        made = Transaction(
            changes.get("version", tx.version),
            changes.get("inputs", tx.inputs),
            changes.get("outputs", tx.outputs),
            changes.get("locktime", tx.locktime),
        )
        return _assembled(
            {**self.psbt.global_map, UNSIGNED_TX: made.serialize_stripped()},
            [*self.psbt.input_maps, *self.psbt.input_maps[:1]][: len(made.inputs)],
            [*self.psbt.output_maps, *self.psbt.output_maps[:1]][: len(made.outputs)],
        )

    def secrets(self) -> list[tuple[bytes, int]]:
        """Public key and secret number at each input."""
        signer = embit.psbt.PSBT.parse(self.psbt.raw)
        found = []
        for scope in signer.inputs:
            for key, derivation in scope.bip32_derivations.items():
                child = root(self.seed).derive(derivation.derivation)
                if child.key.get_public_key().sec() == key.sec():
                    found.append((key.sec(), int.from_bytes(child.key.secret, "big")))
        return found

    def digests(self) -> list[bytes]:
        signer = embit.psbt.PSBT.parse(self.psbt.raw)
        return [signer.sighash(number) for number in range(len(signer.inputs))]


def _assembled(global_map: Fields, inputs: list[Fields], outputs: list[Fields]) -> UntrustedPsbt:
    def written(pairs: Any) -> bytes:
        return b"".join(_sized(key) + _sized(value) for key, value in pairs.items()) + b"\0"

    return UntrustedPsbt.parse(b"psbt\xff" + b"".join(map(written, (global_map, *inputs, *outputs))))


def _sized(data: bytes) -> bytes:
    size = len(data)
    return (bytes((size,)) if size < 253 else b"\xfd" + size.to_bytes(2, "little")) + data


def _altered(given: Given, where: str, change: Callable[[Fields], Fields]) -> bytes:
    """The honest answer with one map changed."""
    signed = UntrustedPsbt.parse(given.answer(given.signatures()))
    maps = [
        dict(signed.global_map),
        [dict(m) for m in signed.input_maps],
        [dict(m) for m in signed.output_maps],
    ]
    if where == "global":
        maps[0] = change(maps[0])
    else:
        number = 1 if where == "input" else 2
        maps[number][0] = change(maps[number][0])
    return _assembled(*maps).raw


def _without(name: bytes) -> Callable[[Fields], Fields]:
    return lambda fields: {key: value for key, value in fields.items() if key[:1] != name}


def _to_a_thief(given: Given) -> tuple[TxOutput, ...]:
    first, *rest = given.psbt.tx.outputs
    return (TxOutput(first.value, b"\x00\x14" + bytes(20)), *rest)


def _one_input_more(given: Given) -> tuple[TxInput, ...]:
    first, *rest = given.psbt.tx.inputs
    return (first, *rest, TxInput(type(first.outpoint)(bytes(range(32)), 7), b"", first.sequence))


def _der(r: int, s: int) -> bytes:
    def number(value: int) -> bytes:
        data = value.to_bytes(value.bit_length() // 8 + 1, "big")
        return b"\x02" + bytes((len(data),)) + data

    body = number(r) + number(s)
    return b"\x30" + bytes((len(body),)) + body + b"\x01"


def _one_nonce(given: Given) -> bytes:
    """Valid signatures of all inputs with one nonce, from which anybody works out the keys."""
    nonce = 0x1234567
    r = int.from_bytes(PrivateKey(nonce.to_bytes(32, "big")).get_public_key().sec()[1:], "big") % ORDER
    fields = []
    for (key, secret), digest in zip(given.secrets(), given.digests(), strict=True):
        s = pow(nonce, -1, ORDER) * (int.from_bytes(digest, "big") + r * secret) % ORDER
        fields.append({PARTIAL_SIG + key: _der(r, min(s, ORDER - s))})
    return given.answer(fields)


_asked = 0
"""How often this process was asked to sign."""


def _otherwise_each_time(given: Given) -> bytes:
    """Valid signatures with a fresh nonce for each: no RFC 6979."""
    fields = []
    for (key, secret), digest in zip(given.secrets(), given.digests(), strict=True):
        nonce = int.from_bytes(os.urandom(31), "big")
        r = int.from_bytes(PrivateKey(nonce.to_bytes(32, "big")).get_public_key().sec()[1:], "big") % ORDER
        s = pow(nonce, -1, ORDER) * (int.from_bytes(digest, "big") + r * secret) % ORDER
        fields.append({PARTIAL_SIG + key: _der(r, min(s, ORDER - s))})
    return given.answer(fields)


def _honest_once(given: Given) -> bytes:
    """Signs rightly, and something else when it is asked again."""
    global _asked  # noqa: PLW0603 - one device, one process
    _asked += 1
    return LIES["honest" if _asked == 1 else "signs other outputs"](given)


def _high_s(given: Given) -> bytes:
    """Valid to consensus, and malleable: no node relays it."""
    fields = []
    for found in given.signatures():
        ((key, signature),) = found.items()
        size = signature[3]
        r = int.from_bytes(signature[4 : 4 + size], "big")
        s = int.from_bytes(signature[6 + size : -1], "big")
        fields.append({key: _der(r, ORDER - s)})
    return given.answer(fields)


def _renamed(given: Given, seed: int) -> bytes:
    """Another key's signature, under the name of the right key."""
    theirs = [next(iter(each)) for each in given.signatures()]
    foreign = hashlib.sha256(b"foreign %d" % seed).digest()
    made = [PrivateKey(foreign).sign(digest).serialize() + b"\x01" for digest in given.digests()]
    return given.answer([{key: signature} for key, signature in zip(theirs, made, strict=True)])


def _foreign(given: Given, seed: int) -> bytes:
    """Another key's signature under its own name."""
    key = PrivateKey(hashlib.sha256(b"foreign %d" % seed).digest())
    name = PARTIAL_SIG + key.get_public_key().sec()
    return given.answer([{name: key.sign(digest).serialize() + b"\x01"} for digest in given.digests()])


def _with_a_foreign_one(given: Given) -> bytes:
    """The right signatures, and another key's beside them."""
    key = PrivateKey(hashlib.sha256(b"foreign 1").digest())
    extra = {PARTIAL_SIG + key.get_public_key().sec(): key.sign(given.digests()[0]).serialize() + b"\x01"}
    first, *rest = given.signatures()
    return given.answer([first | extra, *rest])


def _swapped(given: Given) -> bytes:
    return given.answer(list(reversed(given.signatures())))


def _flipped(given: Given) -> bytes:
    """One bit of the last signature, in the number s."""
    *rest, last = given.signatures()
    ((key, signature),) = last.items()
    at = len(signature) - 4
    return given.answer([*rest, {key: signature[:at] + bytes((signature[at] ^ 1,)) + signature[at + 1 :]}])


def _late(_given: Given) -> bytes:
    time.sleep(600)
    return b""


def _dead(_given: Given) -> bytes:
    os._exit(1)


def _half_said(given: Given) -> bytes:
    """Ends in the middle of its answer."""
    whole = wire.message

    def half(code: int, fields: Any) -> bytes:
        os.set_blocking(1, True)
        return whole(code, fields)[:100]

    wire.message = half  # type: ignore[assignment]
    driver.Desk._say = _say_and_die  # type: ignore[method-assign]
    return given.answer(given.signatures())


def _say_and_die(desk: Any, code: int, fields: list[bytes]) -> None:
    desk._answers.write(wire.message(code, fields))
    desk._answers.flush()
    os._exit(0)


def _shouting(given: Given) -> bytes:
    """What no driver of ours says: bytes beside the conversation."""
    driver.Desk._say = _noise  # type: ignore[method-assign]
    return given.answer(given.signatures())


def _noise(desk: Any, _code: int, _fields: list[bytes]) -> None:
    desk._answers.write(b"\xff" * 4096)
    desk._answers.flush()


class CanceledError(Exception):
    """As HWI's: the person pressed no."""

    code = -14


def _refused(_given: Given) -> bytes:
    raise CanceledError("signing canceled")


def _schnorr_all(given: Given) -> list[Fields]:
    return given.signatures(sighash=SIGHASH.ALL)


def _untweaked(given: Given) -> bytes:
    """By the internal key, not by the output's."""
    signer = embit.psbt.PSBT.parse(given.psbt.raw)
    fields = []
    for number, scope in enumerate(signer.inputs):
        (_, derivation) = next(iter(scope.taproot_bip32_derivations.values()))
        child = root(given.seed).derive(derivation.derivation)
        fields.append({TAP_KEY_SIG: child.key.schnorr_sign(signer.sighash(number)).serialize()})
    return given.answer(fields)


LIES: dict[str, Callable[[Given], bytes]] = {
    "honest": lambda g: g.answer(g.signatures()),
    # signatures of something else
    "signs other outputs": lambda g: g.answer(g.signatures(g.other(outputs=_to_a_thief(g)))),
    "signs another lock time": lambda g: g.answer(g.signatures(g.other(locktime=17))),
    "signs with NONE": lambda g: g.answer(g.signatures(sighash=SIGHASH.NONE)),
    "signs with SINGLE": lambda g: g.answer(g.signatures(sighash=SIGHASH.SINGLE)),
    "signs with ALL and ANYONECANPAY": lambda g: g.answer(
        g.signatures(sighash=SIGHASH.ALL | SIGHASH.ANYONECANPAY)
    ),
    "signs rightly and says NONE": lambda g: g.answer(
        [each | {SIGHASH_TYPE: (2).to_bytes(4, "little")} for each in g.signatures()]
    ),
    "another key, under its name": lambda g: _foreign(g, 1),
    "another key, under the right name": lambda g: _renamed(g, 1),
    "a foreign signature besides": _with_a_foreign_one,
    "signatures of each other's inputs": _swapped,
    "one bit is wrong": _flipped,
    "a high s": _high_s,
    "one nonce for all": _one_nonce,
    "signs otherwise each time": _otherwise_each_time,
    "honest once": _honest_once,
    "signs one input of two": lambda g: g.answer(g.signatures()[:1]),
    # another PSBT
    "other outputs": lambda g: g.signed(g.other(outputs=_to_a_thief(g))),
    "one output less": lambda g: g.answer(g.signatures(), g.other(outputs=g.psbt.tx.outputs[:1])),
    "one input more": lambda g: g.answer(g.signatures(), g.other(inputs=_one_input_more(g))),
    "one input less": lambda g: g.answer(g.signatures()[:1], g.other(inputs=g.psbt.tx.inputs[:1])),
    "another lock time": lambda g: g.answer(g.signatures(), g.other(locktime=17)),
    "another version": lambda g: g.answer(g.signatures(), g.other(version=1)),
    "a field more, of nobody's": lambda g: _altered(g, "input", lambda f: f | {UNKNOWN: b"x"}),
    "a global field more": lambda g: _altered(g, "global", lambda f: f | {UNKNOWN: b"x"}),
    "an output's field more": lambda g: _altered(g, "output", lambda f: f | {UNKNOWN: b"x"}),
    "a finished witness besides": lambda g: _altered(g, "input", lambda f: f | {b"\x08": b"\x01\x00"}),
    "a path taken away": lambda g: _altered(g, "input", _without(DERIVATION)),
    "an amount rewritten": lambda g: _altered(
        g, "input", lambda f: f | {b"\x01": (1).to_bytes(8, "little") + f[b"\x01"][8:]}
    ),
    "a PSBT of version 2": lambda g: (
        new_psbt(
            g.psbt.tx,
            2,
            input_add={
                n: dict(m) | f for n, (m, f) in enumerate(zip(g.psbt.input_maps, g.signatures(), strict=True))
            },
            output_add=dict(enumerate(map(dict, g.psbt.output_maps))),
        ).raw
    ),
    # no PSBT at all
    "garbage": lambda _: bytes(range(256)),
    "no bytes": lambda _: b"",
    "half a PSBT": lambda g: g.answer(g.signatures())[:-7],
    "a word behind the PSBT": lambda g: g.answer(g.signatures()) + b"more",
    "too much": lambda g: g.answer(g.signatures()) + bytes(wire.MAX_PSBT),
    "nothing signed": lambda g: g.psbt.raw,
    # no answer
    "late": _late,
    "dies": _dead,
    "dies while it answers": _half_said,
    "shouts": _shouting,
    "refused by its owner": _refused,
    # taproot
    "taproot with ALL": lambda g: g.answer(_schnorr_all(g)),
    "taproot with SINGLE": lambda g: g.answer(g.signatures(sighash=SIGHASH.SINGLE)),
    "taproot by the internal key": _untweaked,
    "an ECDSA signature for taproot": lambda g: g.answer(
        [each | {PARTIAL_SIG + b"\x02" + bytes([7]) * 32: _der(5, 5)} for each in g.signatures()]
    ),
    "a signature of a script for taproot": lambda g: _altered(
        g, "input", lambda f: f | {b"\x14" + bytes(64): bytes(64)}
    ),
    "a taproot signature for another coin": lambda g: g.answer(
        [{TAP_KEY_SIG: bytes(64)} | e for e in g.signatures()]
    ),
}
"""Name → what comes back."""


class _Answer:
    """What HWI's `signtx` wants of a client's answer."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def serialize(self) -> str:
        return base64.b64encode(self._raw).decode("ascii")


class Client:
    """A client class of HWI's, as far as it is used here. Its path says which key it holds, and how it lies."""

    lie = "honest"

    def __init__(self, path: str, *_: object) -> None:
        self._seed = int(path.rsplit(":", 1)[1])

    def get_master_fingerprint(self) -> bytes:
        found: bytes = root(self._seed).my_fingerprint
        return found

    def get_pubkey_at_path(self, path: str) -> Any:
        return _Key(root(self._seed).derive(path).to_public().to_base58(NETWORKS["regtest"]["xpub"]))

    def sign_tx(self, psbt: Any) -> _Answer:
        return _Answer(LIES[self.lie](Given(base64.b64decode(psbt.serialize()), self._seed)))

    def display_singlesig_address(self, path: str, addr_type: Any) -> str:
        key = root(self._seed).derive(path).key.get_public_key()
        made = script.p2tr(key) if addr_type.name == "TAP" else script.p2wpkh(key)
        return str(made.address(NETWORKS["regtest"]))

    def display_multisig_address(self, _addr_type: Any, multisig: Any) -> str:
        """Of `sortedmulti` in `wsh`, worked out without HWI."""
        keys = [PublicKey.parse(each.get_pubkey_bytes(0)) for each in multisig.pubkeys]
        made = script.p2wsh(script.multisig(multisig.thresh, sorted(keys, key=PublicKey.sec)))
        return str(made.address(NETWORKS["regtest"]))

    def close(self) -> None:
        """Nothing is open."""


class _Key:
    def __init__(self, text: str) -> None:
        self._text = text

    def to_string(self) -> str:
        return self._text


def _listed(lie: str, seeds: list[int]) -> list[dict[str, Any]]:
    if lie == "says another fingerprint":
        seeds = [seed + 100 for seed in seeds]
    if lie == "is there twice":
        seeds = seeds * 2
    if lie == "says a fingerprint that is none":
        return [_entry(seed) | {"fingerprint": "73C5DA0A\n"} for seed in seeds]
    if lie == "is not there":
        return []
    return [_entry(seed) for seed in seeds]


def _entry(seed: int) -> dict[str, Any]:
    return {
        "model": "simulated", "label": "\x1b[2Jmine", "path": f"test:{seed}", "needs_pin_sent": False,
        "needs_passphrase_sent": False, "fingerprint": root(seed).my_fingerprint.hex(),
    }  # fmt: skip


LISTS = ("says another fingerprint", "is there twice", "says a fingerprint that is none", "is not there")
"""Lies told before anything is signed."""


def main(lie: str, seeds: list[int], kind_of_all: str = KIND) -> int:
    """The driver, with one kind of device that is ours, and no others."""
    Client.lie = lie if lie in LIES else "honest"
    for kind in wire.KINDS:
        module = ModuleType(f"hwilib.devices.{kind}")
        vars(module).update(
            enumerate=(lambda *_: _listed(lie, seeds)) if kind == kind_of_all else (lambda *_: []),
            **{f"{kind.capitalize()}Client": Client},
        )
        sys.modules[module.__name__] = module
    # the driver quiets this one by its class, which an empty module lacks
    vars(sys.modules["hwilib.devices.bitbox02"])["BitBoxNoiseConfig"] = object
    return driver.main()
