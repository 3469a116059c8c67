"""The worst cases that we know, each of about two megabytes unless a bound refuses it or its kind holds less.

The coordinator is the attacker: it knows the wallet and signs requests. So a case for `request` carries a well-formed envelope,
and those that are to be accepted an honest one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import islice

from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.psbt.build import new_psbt, to_version
from falconer_shared.psbt.fields import InputType, field_key
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.transport import fountain
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.ur import Sender
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support import psbts
from tests.support.frames import psbt as noise
from tests.support.policies import PolicyDraft, SshKey, signed
from tests.support.psbts import PUBKEY, XONLY, joined, prefixed, transaction, txid, u32
from tests.support.rawpsbt import MAGIC, Map, size
from tests.support.requests import NOW, Desk, draft_for, requests, sealed
from tests.support.treasury import descriptor_of, stranger_address, wallet_of

TWO_MEGABYTES = 2_000_000
TWENTY = tuple(range(1, 21))


@dataclass(frozen=True)
class Case:
    """`verdict`: what must come of it, "accepted" or the id of the refusal. `draft` and `wallet` are for `request`."""

    entry: str
    data: bytes
    verdict: str
    warm: bytes = b""
    wallet: RegisteredWallet | None = None
    draft: PolicyDraft | None = None


CASES: dict[str, Callable[[], Case]] = {}
"""By name; made when they are needed, because some take a second to make."""

MORE: set[str] = set()
"""Those that the suite leaves out, since others like them are there; `python -m tests.bounds` measures all."""


def case(name: str) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    def add(make: Callable[[], Case]) -> Callable[[], Case]:
        CASES[name] = make
        return make

    return add


# --- requests that are refused -----------------------------------------------------------------------------------------------


@cache
def _envelope() -> Map:
    return [
        (key, value)
        for key, value in UntrustedPsbt.parse(requests("wpkh")[0]).global_map.items()
        if key[0] == 0xFC
    ]


def refused(data: bytes, verdict: str) -> Case:
    return Case("request", data, verdict)


def _maps(head: Map, *maps: Map, envelope: bool = True) -> bytes:
    return joined([head + (_envelope() if envelope else []), *maps])


ONE = transaction([(txid(1), 0, 0xFFFFFFFD)], [(5_000, psbts.P2WPKH)])


def one_input(fields: Map, output: Map | None = None) -> bytes:
    return _maps([(b"\x00", ONE)], fields, output or [])


def many(kind: bytes, count: int, value: bytes) -> Map:
    return [(kind + number.to_bytes(4, "big"), value) for number in range(count)]


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a million inputs claimed, v0": (
        lambda: _maps([(b"\x00", u32(2) + size(1_000_000) + bytes(41 * 100))]), "bytes-truncated",
    ),
    "a million inputs claimed and 2 MB there, v0": (
        lambda: _maps([(b"\x00", u32(2) + size(40_000) + bytes(1_900_000))]), "psbt-unsigned-tx-too-large",
    ),
    "a million inputs claimed, v2": (
        lambda: _maps([(b"\x02", u32(2)), (b"\x04", size(1_000_000)), (b"\x05", b"\1"), (b"\xfb", u32(2))]) + bytes(1_900_000),
        "psbt-too-many-inputs",
    ),
    "ten thousand inputs, v2": (lambda: _thin(10_000), "weight-not-standard"),
    "2^22 inputs claimed in 60 bytes": (lambda: _maps([(b"\x00", u32(2) + size(2**22) + bytes(45))]), "bytes-truncated"),
    "50,000 unknown keys": (lambda: one_input(many(b"\xf0", 50_000, bytes(30))), "input-amount-unproven"),
    "220,000 unknown keys": (lambda: one_input(many(b"\xf0", 220_000, b"abc")), "input-amount-unproven"),
    "300,000 unknown keys": (lambda: one_input(many(b"\xf0", 300_000, b"")), "psbt-too-many-fields"),
    "2^25 leaf hashes claimed": (
        lambda: one_input([(b"\x16" + XONLY, size(2**25) + bytes(1_900_000))]), "psbt-nested-malformed",
    ),
    "60,000 leaf hashes": (
        lambda: one_input([(b"\x16" + XONLY, size(60_000) + bytes(32 * 60_000 + 4))]), "input-amount-unproven",
    ),
    "46,000 hints at keys": (
        lambda: one_input([(b"\x06\x02" + n.to_bytes(32, "big"), bytes(4)) for n in range(46_000)]), "input-amount-unproven",
    ),
    "a script tree as deep as can be": (
        lambda: one_input([], [(b"\x06", b"\x80\xc0\x00" * 650_000)]), "psbt-taproot-tree",
    ),
    "a script tree as wide as can be": (
        lambda: one_input([], [(b"\x06", b"\x13\xc0\x00" * 2**19)]), "input-amount-unproven",
    ),
    "a witness of two million items": (
        lambda: one_input([(b"\x08", size(1_950_000) + bytes(1_950_000))]), "input-amount-unproven",
    ),
    "a witness of 2^31 items": (lambda: one_input([(b"\x08", size(2**31) + bytes(1_900_000))]), "psbt-nested-malformed"),
    "participants of MuSig2": (lambda: one_input([(b"\x1a" + PUBKEY, PUBKEY * 59_000)]), "psbt-needs-unsupported"),
    "one previous transaction of 2 MB": (
        lambda: one_input([(b"\x00", transaction([(bytes(32), 0, 0)], [(0, b"")] * 110_000) + bytes(900_000))]),
        "trailing-bytes",
    ),
    "one previous transaction of a million witness items": (
        lambda: one_input([(b"\x00", _witnesses(900_000))]), "input-previous-transaction-mismatch",
    ),
    "nothing but zeros": (lambda: MAGIC + bytes(TWO_MEGABYTES - 5), "psbt-unsigned-tx-missing"),
    "base64 of nothing": (lambda: b"cHNidP" + b"A" * (TWO_MEGABYTES - 6), "psbt-base64-malformed"),
    "base64 of unknown keys": (
        lambda: base64.b64encode(one_input(many(b"\xf0", 150_000, b"abc"))), "input-amount-unproven",
    ),
    "hexadecimal": (lambda: (b"70736274ff" * 200_000)[:TWO_MEGABYTES], "psbt-hex-refused"),
    "32 receipts of 8 KiB": (lambda: _maps([(b"\x00", ONE), *_receipts()], [], []), "receipt-malformed"),
    "40,000 proprietary fields of ours": (
        lambda: _maps([(b"\x00", ONE), *[(b"\xfc\x08falconer\x10" + n.to_bytes(32, "big"), b"") for n in range(40_000)]], [], []),
        "psbt-receipt-bounds",
    ),
}  # fmt: skip


def _thin(count: int) -> bytes:
    return psbts.v2(inputs=count, outputs=1, added={"global": _envelope()})


def _witnesses(count: int) -> bytes:
    bare = transaction([(bytes(32), 0, 0)], [(0, b"")])
    return bare[:4] + b"\0\1" + bare[4:-4] + size(count) + b"\1a" * count + bare[-4:]


def _receipts() -> Map:
    return [
        (b"\xfc\x08falconer\x10" + n.to_bytes(32, "big"), prefixed(b"falconer-receipt 1\n" * 400))
        for n in range(32)
    ]


for _name, (_make, _verdict) in REFUSED.items():
    CASES[_name] = lambda make=_make, verdict=_verdict: refused(make(), verdict)  # type: ignore[misc]


# --- requests in which everything is ours ------------------------------------------------------------------------------------


def flood(
    wallet: RegisteredWallet,
    inputs: int,
    *,
    noise_outputs: int = 0,
    outputs: int = 1,
    shared: bool = False,
    script: bytes = b"",
) -> UntrustedPsbt:
    """Inputs that are all proven ours, each at a place of its own; `noise_outputs` pad each previous transaction.

    `shared`: all coins come from one previous transaction, which every input brings again.
    """
    pad = (TxOutput(Amount(0), script),) * noise_outputs
    places = [OwnPlace(number % 2, number) for number in range(inputs)]
    scripts = [wallet.scripts(place.branch, place.index) for place in places]
    coins = [TxOutput(Amount(50_000), each.script_pubkey) for each in scripts]
    source = [OutPoint(hashlib.sha256(b"%d" % number).digest(), 0) for number in range(inputs)]
    if shared:
        together = Transaction(2, (TxInput(source[0], b"", 0),), (*coins, *pad), 0)
        previous = [(together, number) for number in range(inputs)]
    else:
        previous = [
            (Transaction(2, (TxInput(at, b"", 0),), (coin, *pad), 0), 0)
            for at, coin in zip(source, coins, strict=True)
        ]
    spends = tuple(TxInput(OutPoint(made.txid(), vout), b"", 0xFFFFFFFD) for made, vout in previous)
    each = (50_000 * inputs - min(100_000, 6_000 * inputs)) // outputs
    paid = tuple(
        TxOutput(Amount(each), script_of(stranger_address(n), wallet.network)) for n in range(outputs)
    )
    fields = {
        number: {
            field_key(InputType.NON_WITNESS_UTXO): made.serialize(),
            **_hint(wallet, places[number], scripts[number]),
        }
        for number, (made, _) in enumerate(previous)
    }
    return new_psbt(Transaction(2, spends, paid, 0)).with_fields(input_add=fields)


def _hint(wallet: RegisteredWallet, place: OwnPlace, scripts: object) -> dict[bytes, bytes]:
    key = wallet.keys[0]
    origin = key.fingerprint + b"".join(
        step.to_bytes(4, "little") for step in key.path(place.branch, place.index)
    )
    if scripts.internal_key is None:  # type: ignore[attr-defined]
        return {field_key(InputType.BIP32_DERIVATION, scripts.pubkeys[0]): origin}  # type: ignore[attr-defined]
    return {field_key(InputType.TAP_BIP32_DERIVATION, scripts.internal_key): b"\0" + origin}  # type: ignore[attr-defined]


def honest(
    wallet: RegisteredWallet,
    psbt: UntrustedPsbt,
    draft: PolicyDraft | None = None,
    *,
    version: int = 0,
    verdict: str = "accepted",
) -> Case:
    """A request that is to be signed."""
    draft = draft or draft_for(wallet)
    desk = Desk(wallet, draft.install())
    data = sealed(to_version(psbt, version) if version else psbt, desk, ("anna", "bert")).raw
    return Case("request", data, verdict, wallet=wallet, draft=draft)


def hostile(wallet: RegisteredWallet, psbt: UntrustedPsbt, verdict: str) -> Case:
    """One that `verify` refuses, or that goes through `verify` in an envelope that is well-formed, and another's."""
    return Case("request", psbt.with_fields(global_add=dict(_envelope())).raw, verdict, wallet=wallet)


for _form, _inputs, _noise in (
    ("wpkh", 1_400, 125),
    ("tr", 1_600, 105),
    ("wsh", 900, 205),
    ("sh-wpkh", 1_050, 170),
    ("sh-wsh", 700, 270),
):
    CASES[f"{_inputs} inputs of {_form}, 400,000 weight units"] = (
        lambda form=_form, inputs=_inputs, noise=_noise: honest(
            wallet_of(form), flood(wallet_of(form), inputs, noise_outputs=noise)
        )
    )  # type: ignore[misc]
    MORE.add(f"{_inputs} inputs of {_form}, v2")
    if _form.startswith("sh"):
        MORE.add(f"{_inputs} inputs of {_form}, 400,000 weight units")
    CASES[f"{_inputs} inputs of {_form}, v2"] = lambda form=_form, inputs=_inputs: honest(
        wallet_of(form), flood(wallet_of(form), inputs), version=2
    )  # type: ignore[misc]


@case("380 inputs of a wallet of twenty keys")
def _() -> Case:
    wallet = wallet_of("wsh", 1, TWENTY)
    return honest(wallet, flood(wallet, 380, noise_outputs=500))


@case("8,000 inputs, far too heavy")
def _() -> Case:
    wallet = wallet_of("wpkh")
    return hostile(wallet, flood(wallet, 8_000), "weight-not-standard")


@case("200 inputs of the original digest with the heaviest outputs")
def _() -> Case:
    wallet = wallet_of("pkh")
    # more payments than an intent may name: judged up to there
    return hostile(wallet, flood(wallet, 200, outputs=2_200, noise_outputs=850), "request-other-wallet")


@case("200 inputs of a legacy multisig")
def _() -> Case:
    wallet = wallet_of("sh")
    return honest(wallet, flood(wallet, 200, outputs=150, noise_outputs=900))


@case("201 inputs of the original digest")
def _() -> Case:
    wallet = wallet_of("pkh")
    return hostile(wallet, flood(wallet, 201, noise_outputs=1_000), "legacy-inputs-too-many")


@case("one previous transaction brought 240 times")
def _() -> Case:
    wallet = wallet_of("wpkh")
    return honest(wallet, flood(wallet, 240, noise_outputs=20, shared=True))


@case("two inputs from one previous transaction of 1 MB")
def _() -> Case:
    wallet = wallet_of("wpkh")
    return honest(wallet, flood(wallet, 2, noise_outputs=110_000, shared=True))


def full_policy(wallet: RegisteredWallet) -> PolicyDraft:
    """An address book that fills its bounds. What is paid stands in no descriptor of it, so that all are derived to their end."""
    draft = draft_for(wallet)
    draft.addresses = {f"a{n:03}": stranger_address(n) for n in range(200, 440)}
    draft.addresses |= {f"zz{n}": descriptor_of("wpkh", seeds=(100 + n,)) for n in range(10)}
    draft.rules |= {
        "allowed_destinations": tuple(sorted(draft.addresses)), "no_address_reuse": True,
        "max_destination_spend_sats": 2_000_000_000, "auto_approve_new_strategies": True,
    }  # fmt: skip
    return draft


@case("149 payments judged by a policy that fills its bounds")
def _() -> Case:
    wallet = wallet_of("wpkh")
    psbt = flood(wallet, 1_100, outputs=149, noise_outputs=155)
    return honest(wallet, psbt, full_policy(wallet), verdict="policy-destination-not-allowed")


@case("both: twenty keys, and a policy that fills its bounds")
def _() -> Case:
    wallet = wallet_of("wsh", 1, TWENTY)
    psbt = flood(wallet, 360, outputs=149, noise_outputs=480)
    return honest(wallet, psbt, full_policy(wallet), verdict="policy-destination-not-allowed")


# --- everything else ---------------------------------------------------------------------------------------------------------


def simple(
    name: str, entry: str, make: Callable[[], bytes], verdict: str, warm: Callable[[], bytes] = bytes
) -> None:
    CASES[f"{entry}: {name}"] = lambda: Case(entry, make(), verdict, warm=warm())


simple(
    "2 MB of fields",
    "answer",
    lambda: joined([[(b"\x00", ONE), *many(b"\xf0", 200_000, b"ab")], [], []]),
    "response-receipt-missing",
)
simple("outputs without end", "transaction", lambda: _outputs(110_000), "accepted")
simple("witness items without end", "transaction", lambda: _witnesses(990_000), "accepted")
simple(
    "inputs without end",
    "transaction",
    lambda: u32(2) + size(48_000) + bytes(41 * 48_000 + 5),
    "transaction-too-many-inputs",
)
simple("ten thousand inputs", "transaction", lambda: _inputs_of(10_000, 55), "accepted")


def _outputs(count: int) -> bytes:
    return transaction([(bytes(32), 0, 0)], [(0, b"")] * count)


def _inputs_of(count: int, script: int) -> bytes:
    one = bytes(32) + u32(1) + prefixed(bytes(script)) + u32(0)
    return u32(2) + size(count) + one * count + b"\0" + u32(0)


def _descriptor(keys: int) -> bytes:
    return descriptor_of("wsh", 1, tuple(range(1, keys + 1))).encode()


simple("twenty keys", "descriptor", lambda: _descriptor(20), "accepted", lambda: _descriptor(1))
simple("21 keys", "descriptor", lambda: _descriptor(21), "descriptor-too-many-keys", lambda: _descriptor(1))
simple(
    "16 kB",
    "descriptor",
    lambda: _body("wsh(multi(1," + ",".join(["A"] * 7_000) + "))"),
    "descriptor-too-many-keys",
)
simple("depth 32", "descriptor", lambda: _body("sh(" * 32 + "A" + ")" * 32), "descriptor-syntax")
simple("depth 33", "descriptor", lambda: _body("sh(" * 33 + "A" + ")" * 33), "descriptor-too-deep")
simple("depth 5,000", "descriptor", lambda: _body("sh(" * 5_000), "descriptor-too-deep")
simple(
    "16 kB of words that might be keys",
    "descriptor",
    lambda: _body("(5" + "1" * 49 + ",5" * 8_000),
    "descriptor-syntax",
)
simple("2 MB", "descriptor", lambda: b"wsh(" * 500_000, "descriptor-file-malformed")


def _body(text: str) -> bytes:
    return with_checksum(text[:16_000]).encode()


def _toml(addresses: str, more: str = "") -> bytes:
    key = {name: SshKey.of(name).public.text() for name in ("a", "b", "c", "d")}
    return (
        f'version = 1\nnetwork = "regtest"\nwallet = "{"ab" * 32}"\nadmin_quorum = 1\ncoordinator = "{key["a"]}"\n'
        f'[admins]\nada = "{key["b"]}"\n[approvers]\nanna = "{key["c"]}"\n[signers]\nvault = "{key["d"]}"\n'
        f"[addresses]\n{addresses}\n[rules]\n{more}"
    ).encode()


def _book(count: int) -> str:
    return "\n".join(f'a{n} = "{stranger_address(n)}"' for n in range(count))


simple(
    "256 addresses",
    "policy",
    lambda: _toml(_book(246) + "\n" + _sisters(10)),
    "accepted",
    lambda: _toml(_book(1)),
)
simple("257 addresses", "policy", lambda: _toml(_book(257)), "policy-malformed", lambda: _toml(_book(1)))
simple(
    "70 descriptors of twenty keys",
    "policy",
    lambda: _toml(_wide(70)),
    "policy-descriptor-keys",
    lambda: _toml(_book(1)),
)
simple("2 MB of addresses", "policy", lambda: _toml(_book(30_000)), "policy-toml-syntax")
simple("nested lists", "policy", lambda: b"a = " + b"[" * 100_000, "policy-toml-syntax")
simple("nested tables", "policy", lambda: b"[" + b"a." * 100_000 + b"a]\n", "policy-toml-syntax")
simple(
    "dotted keys",
    "policy",
    lambda: b"".join(b"a" + b".a" * 60 + b".k%d = 1\n" % n for n in range(160)),
    "policy-toml-unknown-key",
)
simple("a number of 200,000 digits", "policy", lambda: b"version = " + b"9" * 200_000, "policy-toml-syntax")


def _sisters(count: int) -> str:
    return "\n".join(f'z{n} = "{descriptor_of("wpkh", seeds=(100 + n,))}"' for n in range(count))


def _wide(count: int) -> str:
    return "\n".join(
        f'w{n} = "{descriptor_of("wsh", 1, tuple(range(200 + n, 220 + n)))}"' for n in range(count)
    )


def _dashes() -> bytes:
    return b"falconer-policy 1\n" + b"-----BEGIN SSH SIGNATURE-----\nAAAA\n" * 7_000


def _policy_text() -> bytes:
    book = {f"a{n:03}": stranger_address(n) for n in range(246)} | {
        f"z{n}": descriptor_of("wpkh", seeds=(100 + n,)) for n in range(10)
    }
    return PolicyDraft(addresses=book).text()


simple(
    "2 MB of lines",
    "canonical",
    lambda: b"falconer-intent 1\n" + b"pay 1 a\n" * 250_000,
    "policy-bundle-malformed",
)
simple("a bundle of 250 kB of dashes", "canonical", _dashes, "policy-bundle-malformed")
simple("a policy with a full address book", "canonical", _policy_text, "policy-bundle-malformed")
simple(
    "one line",
    "canonical",
    lambda: b"falconer-request 1 " + b"x" * 250_000 + b"\n",
    "policy-bundle-malformed",
)


simple(
    "2 MB of zeros in an array",
    "cbor",
    lambda: b"\x9a" + (1_900_000).to_bytes(4, "big") + bytes(1_900_000),
    "cbor-too-many-items",
)
simple(
    "2^60 values claimed",
    "cbor",
    lambda: b"\x9b" + (2**60).to_bytes(8, "big") + bytes(1_900_000),
    "cbor-truncated",
)
simple("two million levels", "cbor", lambda: b"\x81" * TWO_MEGABYTES, "cbor-too-deep")
simple("maps in maps", "cbor", lambda: b"\xa1\x00" * 1_000_000, "cbor-too-deep")
simple("10,000 values that are right", "cbor", lambda: b"\x99\x27\x0f" + b"\x58\xc8" + bytes(200) + b"\x58\xc6" * 0 + (b"\x58\xc8" + bytes(200)) * 9_998, "accepted")  # fmt: skip  # noqa: E501
simple(
    "one string of 2 MB",
    "cbor",
    lambda: b"\x5a" + (1_990_000).to_bytes(4, "big") + bytes(1_990_000),
    "accepted",
)
simple("text of 2 MB that is not UTF-8", "cbor", lambda: b"\x7a" + (1_990_000).to_bytes(4, "big") + b"\xff" * 1_990_000, "cbor-not-deterministic")  # fmt: skip  # noqa: E501


def _frames(
    payload: int, characters: int, count: int | None = None, schedule: fountain.Schedule = fountain.standard
) -> bytes:
    sender = Sender(noise(payload), Kind.PSBT, characters, schedule=schedule)
    return "\n".join(islice(sender.frames(), count or sender.n)).encode()


simple("a PSBT of 900 kB in 1,000 codes", "codes", lambda: _frames(900_000, 1_900), "accepted")
simple(
    "10,000 sessions of one part",
    "codes",
    lambda: b"\n".join(_frames(400 + n, 200, 1) for n in range(10_000)),
    "incomplete",
)
simple("a message in almost 10,000 parts", "codes", lambda: _frames(500_000, 190), "accepted")


@case("session: 2 MiB in 10,000 parts, the last ones mixed of thousands")
def _() -> Case:
    sender = Sender(noise(2 * 1024 * 1024), Kind.PSBT, 500)
    missing = 40
    numbers = [
        *range(1, sender.n - missing + 1),
        *islice(fountain.dense(sender.n, sender._encoder.checksum), sender.n, sender.n + missing + 5),
    ]  # type: ignore[union-attr]
    return Case("session", "\n".join(map(sender.frame, numbers)).encode(), "accepted")


@case("session: BBQr that unpacks to 100 MB")
def _() -> Case:
    packer = zlib.compressobj(9, zlib.DEFLATED, -10)
    packed = base64.b32encode(packer.compress(bytes(100_000_000)) + packer.flush()).decode().rstrip("=")
    pieces = [packed[at : at + 4_000] for at in range(0, len(packed), 4_000)]
    return Case(
        "session",
        "\n".join(
            f"B$ZP{_base36(len(pieces))}{_base36(n)}{piece}" for n, piece in enumerate(pieces)
        ).encode(),
        "incomplete",
    )


def _base36(number: int) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return digits[number // 36] + digits[number % 36]


simple("one text of 2 MB", "codes", lambda: b"A" * TWO_MEGABYTES, "incomplete")
simple(
    "2 MB of short lines",
    "codes",
    lambda: b"UR:BYTES/AEAEAEAEAEAEAEAE\nB$2P0200AAAAAAAAAAAAAAAA\n" * 40_000,
    "incomplete",
)

simple(
    "armour of 2 MB",
    "ssh",
    lambda: b"-----BEGIN SSH SIGNATURE-----\n" + b"A" * TWO_MEGABYTES,
    "ssh-signature-malformed",
)
simple(
    "one raw signature of 2 MB",
    "ssh",
    lambda: b"SSHSIG\0\0\0\1" + b"\xff" * TWO_MEGABYTES,
    "ssh-signature-malformed",
)

simple(
    "one line of 2 MB", "audit", lambda: b'{"at":0,"event":"' + b"e" * TWO_MEGABYTES, "audit-record-malformed"
)
simple("nested", "audit", lambda: b'{"at":' + b"[" * 60_000, "audit-record-malformed")
simple("a million empty lines", "audit", lambda: b"\n" * 1_000_000, "audit-record-malformed")
simple("28,000 records", "audit", lambda: _records(28_000), "accepted")


def _records(count: int) -> bytes:
    return b"\n".join(b'{"at":1800000000,"event":"e","facts":{"a":%d},"n":%d}' % (n, n) for n in range(count))


simple("20,000 labels", "labels", lambda: _labels(13_000), "accepted", lambda: _labels(1))
simple("one line of 2 MB", "labels", lambda: b'{"type":"' + b"x" * TWO_MEGABYTES, "label-malformed")
simple("two million lines", "labels", lambda: b"\n" * TWO_MEGABYTES, "accepted")
simple("lines of open brackets", "labels", lambda: (b"[" * 4_000 + b"\n") * 480, "label-malformed")
simple(
    "2,000 lines of an unknown type",
    "labels",
    lambda: (b'{"type":"new","ref":"' + b"x" * 900 + b'"}\n') * 2_000,
    "accepted",
)


def _labels(count: int) -> bytes:
    return b"".join(
        json.dumps(
            {"type": "tx", "ref": hashlib.sha256(b"%d" % n).hexdigest(), "label": "\u202e" * 6}
        ).encode()
        + b"\n"
        for n in range(count)
    )


simple("2 MB of one field", "batch", lambda: b'"' + b"a" * TWO_MEGABYTES, "batch-malformed")
simple("a million quotes", "batch", lambda: b'""' * 1_000_000, "batch-malformed")
simple("2 MB of payments", "batch", lambda: _payments(40_000), "payments-too-many")
simple("empty lines", "batch", lambda: b"\n" * TWO_MEGABYTES, "batch-malformed")


def _payments(count: int) -> bytes:
    return b"".join(f"{stranger_address(n % 300)},{1_000 + n}\n".encode() for n in range(count))


simple("of 2 MB", "uri", lambda: b"bitcoin:" + b"A" * TWO_MEGABYTES, "uri-malformed")
simple("of percent signs", "uri", lambda: b"bitcoin:bcrt1?" + b"a=%41&" * 330, "bech32-separator")

for _what, _character in (
    ("latin", "a"),
    ("control", "\x1b"),
    ("bidi", "\u202e"),
    ("combining", "e\u0301"),
    ("joined", "\U0001f468\u200d"),
    ("wide", "\U0010ffff"),
):
    simple(
        f"2 MB of {_what}",
        "text",
        lambda character=_character: (character * TWO_MEGABYTES).encode()[:TWO_MEGABYTES],
        "accepted",
    )
simple("2 MB of broken UTF-8", "text", lambda: b"\xff\xc0\xed\xa0\x80" * 400_000, "accepted")


def wire(found: Case) -> bytes:
    """What the worker reads."""
    warm, header = found.warm, {}
    if found.entry == "request":
        wallet = found.wallet or wallet_of("wpkh")
        draft = found.draft or draft_for(wallet)
        candidate = signed(draft.text(), *(holder.name for holder in draft.admins))
        warm = requests("wpkh")[0]
        header = {
            "wallet": wallet.canonical,
            "policy": draft.text().decode(),
            "signatures": [signature.hex() for signature in candidate.signatures],
            "admins": [holder.key.text() for holder in draft.admins],
            "now": NOW,
        }
    header |= {"entry": found.entry, "warm": len(warm), "size": len(found.data)}
    return json.dumps(header).encode() + b"\n" + warm + found.data
