"""Parsing PSBTs, and confusion of roles: A069 to A087."""

from __future__ import annotations

import ast
import base64
import dataclasses
import hashlib
import json
import struct
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from coincurve import PublicKey

from falconer_offline.review import read_request
from falconer_shared.bitcoin.curve import ORDER, parse_der, verify_ecdsa
from falconer_shared.exchange.envelope import extract
from falconer_shared.psbt.build import to_version
from falconer_shared.psbt.combine import combine
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.evaluate import evaluate
from falconer_shared.roles.finalize import finalize
from falconer_shared.units import Amount
from falconer_shared.verify.signatures import merge, verify_signatures
from falconer_shared.wallet.ownership import OwnPlace
from tests.attacks.mutations import (
    NON_WITNESS_UTXO,
    WITNESS_UTXO,
    bare,
    claimed_utxo,
    input_field,
    proven,
    raw,
    resealed,
    with_global,
    with_input,
    with_output,
    with_transaction,
    with_tx_output,
)
from tests.attacks.sources import shipped
from tests.attacks.trial import Attacks, Trial
from tests.offline.office import Office
from tests.support import psbts
from tests.support.programs import Signer
from tests.support.rawpsbt import MAGIC, RawPsbt, edited, size
from tests.support.treasury import (
    FORMS,
    Payment,
    ecdsa,
    private_key,
    signed,
    stranger_address,
    wallet_of,
    wpkh_wallet,
)

attack = Attacks()

WALLETS = {form: wallet_of(form) for form in FORMS}
WPKH, WSH = WALLETS["wpkh"], WALLETS["wsh"]
V0, V2 = raw(Payment(WPKH)), raw(Payment(WPKH, psbt_version=2))
parse = UntrustedPsbt.parse
LAST_OF_FIRST = "Last 4 characters of destination 1: "


def test_attack(case, request):
    case.run(request)


def vectors(trial: Trial, bip: int, words: str) -> list[bytes]:
    """The invalid PSBTs of a BIP in whose titles `words` stand."""
    found = [
        bytes.fromhex(case["hex"])
        for case in json.loads((trial.vectors / "json" / f"bip{bip}_psbt.json").read_text())
        if case["kind"] == "invalid" and words in case["case"]
    ]
    assert found
    return found


def both(trial: Trial) -> None:
    for data in (V0, V2):
        trial.passes(lambda data=data: proven(data, WPKH))


@attack("A069", "psbt-field-not-in-version")
def two_transactions_in_one(trial: Trial) -> None:
    """A version 0 PSBT with each of the fields from which version 2 takes its transaction, saying the same and another."""
    both(trial)
    tx = Payment(WPKH).transaction()
    first = tx.inputs[0]
    for where, key, values in (
        ("global", b"\x02", (struct.pack("<i", 2), struct.pack("<i", 1))),
        ("global", b"\x03", (bytes(4), b"\xff" * 4)),
        ("global", b"\x04", (b"\x02", b"\x01")),
        ("global", b"\x05", (b"\x02", b"\x01")),
        ("global", b"\x06", (b"\x00", b"\x03")),
        ("input", b"\x0e", (first.outpoint.txid, bytes(32))),
        ("input", b"\x0f", (struct.pack("<I", first.outpoint.vout), struct.pack("<I", 9))),
        ("input", b"\x10", (struct.pack("<I", first.sequence), bytes(4))),
        ("input", b"\x11", (struct.pack("<I", 1_700_000_000),)),
        ("input", b"\x12", (struct.pack("<I", 800_000),)),
        ("output", b"\x03", (struct.pack("<Q", 70_000), struct.pack("<Q", 1))),
        ("output", b"\x04", (tx.outputs[0].script, b"\x00\x14" + bytes(20))),
    ):
        put = {"global": with_global, "input": _first(with_input), "output": _first(with_output)}[where]
        for value in values:
            mixed = put(V0, key, value)
            trial.refused("psbt-field-not-in-version", lambda mixed=mixed: parse(mixed))
    whole = with_global(V2, b"\x00", tx.serialize_stripped())
    trial.refused("psbt-field-not-in-version", lambda: parse(whole))
    renamed = with_global(V0, b"\xfb", struct.pack("<I", 2))
    trial.refused("psbt-field-not-in-version", lambda: parse(renamed))
    found = vectors(trial, 370, "PSBTv0 but with")
    assert len(found) == 13
    for data in (*found, *vectors(trial, 370, "PSBT_GLOBAL_UNSIGNED_TX")):
        trial.refused("psbt-field-not-in-version", lambda data=data: parse(data))


def _first(put: Callable[..., bytes]) -> Callable[[bytes, bytes, bytes], bytes]:
    return lambda data, key, value: put(data, 0, key, value)


@attack("A070", "psbt-duplicate-key")
def one_field_twice(trial: Trial) -> None:
    """Every field of every map once more, with the same value and with another, at the end and beside it."""
    both(trial)
    for data in (V0, V2):
        for number, entries in enumerate(RawPsbt(data).maps):
            for position, (key, value) in enumerate(entries):
                for at, again in (
                    (len(entries), value),
                    (position, value),
                    (len(entries), value[:-1] + b"\x7f"),
                ):

                    def double(
                        each: RawPsbt, n: int = number, at: int = at, k: bytes = key, v: bytes = again
                    ) -> None:
                        each.maps[n].insert(at, (k, v))

                    doubled = edited(data, double)
                    trial.refused("psbt-duplicate-key", lambda doubled=doubled: parse(doubled))
    for data in vectors(trial, 174, "duplicate keys"):
        trial.refused("psbt-duplicate-key", lambda data=data: parse(data))


@attack("A071", "psbt-key-size")
def more_in_the_key(trial: Trial) -> None:
    """For every field without key data one byte of it, beside the right field and in its place; and the twelve of BIP 174."""
    both(trial)
    tried = 0
    for (where, kind), (key, value) in psbts.EXAMPLES.items():
        if kind == 0xFC:
            continue
        version = 2 if (where, kind) in psbts.ONLY_V2 else 0
        trial.passes(lambda w=where, k=kind, v=version: parse(psbts.with_example(w, k, v)))
        longer = psbts.with_field(where, bytes((kind,)) + key + b"\xaa", value, version)
        if not key:
            trial.refused("psbt-key-size", lambda longer=longer: parse(longer))
            beside = psbts.with_example(where, kind, version)
            assert beside != longer
            tried += 1
    assert tried >= 20
    # and the fields that make up the transaction itself, beside the true ones
    for put, keys in (
        (with_global, (b"\x02", b"\x03", b"\x04", b"\x05", b"\x06", b"\xfb")),
        (_first(with_input), (b"\x0e", b"\x0f", b"\x10", b"\x11", b"\x12")),
        (_first(with_output), (b"\x03", b"\x04")),
    ):
        for key in keys:
            for more in (b"\xaa", b"\x00", bytes(33)):
                longer = put(V2, key + more, bytes(4))
                trial.refused("psbt-key-size", lambda longer=longer: parse(longer))
    double = edited(V0, lambda each: each.maps[0].append((b"\x00\xaa", each.maps[0][0][1])))
    trial.refused("psbt-key-size", lambda: parse(double))
    found = vectors(trial, 174, "typed key")
    assert len(found) == 13
    for data in found:
        trial.refused("psbt-key-size", lambda data=data: parse(data))


SIGHASH = b"\x03"

WIDTHS = ("psbt-nested-malformed", "amount-out-of-range")
"""What comes of an amount of another width: the length of the script behind it is read at another place."""


@attack("A072", *WIDTHS, "psbt-value-size")
def values_of_another_width(trial: Trial) -> None:
    both(trial)
    for where, key, width in (
        ("global", b"\x02", 4),
        ("global", b"\x03", 4),
        ("global", b"\xfb", 4),
        ("input", b"\x0e", 32),
        ("input", b"\x0f", 4),
        ("input", b"\x10", 4),
        ("input", SIGHASH, 4),
        ("output", b"\x03", 8),
    ):
        put = {"global": with_global, "input": _first(with_input), "output": _first(with_output)}[where]
        for wrong in (0, 1, width - 1, width + 1, 2 * width, 100_000):
            odd = put(V2, key, bytes(wrong))
            trial.refused("psbt-value-size", lambda odd=odd: parse(odd))
    for wrong in (7, 9):
        # an amount of a claim: the eight bytes are followed by a script
        claim = bytes(wrong) + input_field(V0, 0, WITNESS_UTXO)[8:]
        odd = with_input(V0, 0, WITNESS_UTXO, claim)
        trial.refused_as(WIDTHS, lambda odd=odd: proven(odd, WPKH))
    short = with_input(V0, 0, WITNESS_UTXO, bytes(7))
    trial.refused("psbt-value-size", lambda: proven(short, WPKH))
    longer = with_input(V0, 0, WITNESS_UTXO, input_field(V0, 0, WITNESS_UTXO) + b"\x00")
    trial.refused("psbt-nested-malformed", lambda: proven(longer, WPKH))


@attack("A073", "psbt-field-missing", "psbt-unsigned-tx-missing")
def what_makes_the_transaction_is_missing(trial: Trial) -> None:
    both(trial)
    for key in (b"\x02", b"\x04", b"\x05"):
        trial.refused("psbt-field-missing", lambda key=key: parse(with_global(V2, key, None)))
    for index in (0, 1):
        for key in (b"\x0e", b"\x0f"):
            trial.refused("psbt-field-missing", lambda i=index, k=key: parse(with_input(V2, i, k, None)))
        for key in (b"\x03", b"\x04"):
            trial.refused("psbt-field-missing", lambda i=index, k=key: parse(with_output(V2, i, k, None)))
    trial.refused("psbt-unsigned-tx-missing", lambda: parse(with_global(V0, b"\x00", None)))
    trial.refused(
        "psbt-unsigned-tx-missing",
        lambda: (
            parse(with_global(V2, b"\xfb", None).replace(b"", b"", 0))
            if False
            else parse(psbts.joined([[], [], []]))
        ),
    )
    found = vectors(trial, 370, "missing")
    assert len(found) == 7
    for data in found:
        trial.refused("psbt-field-missing", lambda data=data: parse(data))
    for data in vectors(trial, 174, "without an unsigned tx"):
        trial.refused("psbt-unsigned-tx-missing", lambda data=data: parse(data))


def longer_size(value: int, width: int) -> bytes:
    return {3: b"\xfd", 5: b"\xfe", 9: b"\xff"}[width] + value.to_bytes(width - 1, "little")


@attack("A074", "compact-size-not-minimal")
def length_in_a_longer_form(trial: Trial) -> None:
    """Each length of each level: of keys, of values, of counts, in the transaction, in a claim and in a proof."""
    both(trial)
    head = RawPsbt(V0).maps[0][0][1]
    for width in (3, 5, 9):
        start = MAGIC + longer_size(1, width) + b"\x00"
        trial.refused("compact-size-not-minimal", lambda s=start: parse(s + V0[len(MAGIC) + 2 :]))
        value = MAGIC + b"\x01\x00" + longer_size(len(head), width) + head
        if size(len(head)) != longer_size(len(head), width):
            rest = V0[len(MAGIC) + 2 + len(size(len(head))) + len(head) :]
            trial.refused("compact-size-not-minimal", lambda v=value, r=rest: parse(v + r))
        count = with_global(V0, b"\x00", head[:4] + longer_size(2, width) + head[5:])
        trial.refused("compact-size-not-minimal", lambda count=count: parse(count))
        script = with_global(V0, b"\x00", head[: 5 + 36] + longer_size(0, width) + head[5 + 37 :])
        trial.refused("compact-size-not-minimal", lambda script=script: parse(script))
        counted = with_global(V2, b"\x04", longer_size(2, width))
        trial.refused("compact-size-not-minimal", lambda counted=counted: parse(counted))
        claim = input_field(V0, 0, WITNESS_UTXO)
        bent = with_input(V0, 0, WITNESS_UTXO, claim[:8] + longer_size(22, width) + claim[9:])
        trial.refused("compact-size-not-minimal", lambda bent=bent: proven(bent, WPKH))
        proof = input_field(V0, 0, NON_WITNESS_UTXO)
        bent = with_input(V0, 0, NON_WITNESS_UTXO, proof[:4] + longer_size(1, width) + proof[5:])
        trial.refused("compact-size-not-minimal", lambda bent=bent: proven(bent, WPKH))


@attack(
    "A075",
    "trailing-bytes",
    "bytes-truncated",
    "psbt-nested-malformed",
    "psbt-truncated",
    "psbt-derivation-malformed",
)
def value_and_what_it_holds(trial: Trial) -> None:
    """Longer and shorter than the object inside, for each object that lies in a value."""
    both(trial)
    head = RawPsbt(V0).maps[0][0][1]
    for bent, rule in (
        (head + b"\x00", "trailing-bytes"),
        (head[:-1], "bytes-truncated"),
        (head[:50], "bytes-truncated"),
    ):
        trial.refused(rule, lambda bent=bent: parse(with_global(V0, b"\x00", bent)))
    for key in (NON_WITNESS_UTXO, WITNESS_UTXO):
        right = input_field(V0, 0, key)
        for bent in (right + b"\x00", right[:-1], right + right):
            odd = with_input(V0, 0, key, bent)
            trial.refused_as(
                {"trailing-bytes", "bytes-truncated", "psbt-nested-malformed"},
                lambda odd=odd: proven(odd, WPKH),
            )
    for kind in (0x08, 0x16):
        key, value = psbts.EXAMPLES["input", kind]
        trial.passes(lambda kind=kind: parse(psbts.with_example("input", kind, 0)))
        for bent in (value + b"\x00", value[:-1], b"\xfd\xff\xff" + value):
            odd = psbts.with_field("input", bytes((kind,)) + key, bent)
            trial.refused_as(
                {"psbt-nested-malformed", "psbt-value-size", "psbt-derivation-malformed"},
                lambda odd=odd: parse(odd),
            )
    derivation = psbts.EXAMPLES["input", 0x06]
    for bent in (derivation[1] + b"\x00", derivation[1][:-1], b"", b"\x01\x02\x03"):
        odd = psbts.with_field("input", b"\x06" + derivation[0], bent)
        trial.refused_as(
            {"psbt-nested-malformed", "psbt-value-size", "psbt-derivation-malformed"},
            lambda odd=odd: parse(odd),
        )
    trial.refused("trailing-bytes", lambda: parse(vectors(trial, 174, "not the stated size")[0]))
    trial.refused("psbt-truncated", lambda: parse(vectors(trial, 174, "missing outputs")[0]))
    # a value that announces more than there is, at every place
    for cut in range(len(V0) - 1, len(V0) - 60, -1):
        trial.refused("psbt-truncated", lambda cut=cut: parse(V0[:cut]))


@attack("A076", "psbt-trailing-bytes", "psbt-base64-malformed")
def second_payload(trial: Trial) -> None:
    both(trial)
    for data in (V0, V2):
        for more in (b"\x00", b"\n", V0, V2, MAGIC, b"cHNidP", bytes(1_000)):
            trial.refused("psbt-trailing-bytes", lambda d=data, m=more: parse(d + m))
        text = base64.b64encode(data)
        trial.passes(lambda text=text: parse(text))
        trial.passes(lambda text=text: parse(text + b"\n"))
        for more in (text, b"\n" + text, b"=", b"AAAA", b"\n\nAAAA", b"\x00"):
            trial.refused_as(
                {"psbt-base64-malformed", "psbt-trailing-bytes"}, lambda t=text, m=more: parse(t + m)
            )


@attack("A077", "psbt-unsigned-tx-signed", "trailing-bytes")
def unsigned_transaction_with_signatures(trial: Trial) -> None:
    both(trial)
    tx = Payment(WPKH).transaction()
    for index in (0, 1):
        for script in (b"\x51", b"\x16\x00\x14" + bytes(20), b"\x00"):
            inputs = list(tx.inputs)
            inputs[index] = dataclasses.replace(inputs[index], script_sig=script)
            filled = dataclasses.replace(tx, inputs=tuple(inputs))
            data = with_transaction(V0, lambda _, filled=filled: filled)
            trial.refused("psbt-unsigned-tx-signed", lambda data=data: parse(data))
    for witness in ((), (b"",), (b"\x01",), (bytes(71), bytes(33))):
        inputs = tuple(dataclasses.replace(each, witness=witness) for each in tx.inputs)
        form = dataclasses.replace(tx, inputs=inputs).serialize()
        if not witness:
            form = form[:4] + b"\0\1" + form[4:-4] + b"\0\0" + form[-4:]
        data = with_global(V0, b"\x00", form)
        trial.refused("psbt-unsigned-tx-signed", lambda data=data: parse(data))
    for words in ("filled scriptSig", "witness serialization"):
        trial.refused("psbt-unsigned-tx-signed", lambda words=words: parse(vectors(trial, 174, words)[0]))
    # and behind the transaction, where a witness would lie
    behind = with_global(V0, b"\x00", tx.serialize_stripped() + b"\x01\x00")
    trial.refused("trailing-bytes", lambda: parse(behind))


@attack(
    "A078",
    "response-not-minimal",
    "psbt-proprietary-malformed",
    prevented="unknown fields are carried byte for byte, believed by nobody, and no answer holds any",
)
def fields_that_nobody_knows(trial: Trial) -> None:
    from falconer_offline.session import sign_session
    from falconer_shared.exchange.response import parse_response
    from tests.offline.office import NOW, Ring, Willing

    office = trial.office()
    data = office.request()
    plain = trial.passes(lambda: office.judge(data))
    odd = bare(data)
    for put in (with_global, _first(with_input), _first(with_output)):
        for key in (
            b"\xc8",
            b"\xfe\x00\x00\x01\x00",
            b"\xfc\x05other\x00",
            b"\xfc\x08falconer\x7f",
            b"\xf0" + bytes(100),
        ):
            odd = put(odd, key, b"secret " * 20)
    psbt = UntrustedPsbt.parse(odd)
    assert psbt.serialize() == odd
    judged = trial.passes(lambda: office.judge(resealed(data, psbt)))
    assert judged.verified.outputs == plain.verified.outputs
    assert judged.verified.inputs == plain.verified.inputs
    answer = sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW)
    trial.passes(lambda: parse_response(UntrustedPsbt.parse(answer.psbt.raw)))
    assert b"secret" not in answer.psbt.raw
    assert {key[0] for key in answer.psbt.global_map} == {0x00, 0xFC}
    for put in (with_global, _first(with_input), _first(with_output)):
        for key in (b"\xc8", b"\xfc\x05other\x00"):
            leaking = put(answer.psbt.raw, key, b"secret")
            trial.refused("response-not-minimal", lambda leak=leaking: parse_response(parse(leak)))
    for key in (b"\xfc", b"\xfc\x05ot", b"\xfc\x05other"):
        trial.refused("psbt-proprietary-malformed", lambda key=key: parse(with_global(V0, key, b"")))


COUNTS = (
    "bytes-truncated",
    "psbt-truncated",
    "psbt-too-many-inputs",
    "psbt-too-many-outputs",
    "psbt-nested-malformed",
)


@attack("A079", *COUNTS, "psbt-too-large", "psbt-too-many-fields")
def counts_without_bytes(trial: Trial) -> None:
    """Nothing is allocated for what is only announced: each is refused within two megabytes of memory."""
    both(trial)
    head = RawPsbt(V0).maps[0][0][1]
    claims = []
    for count in (2**16, 2**22, 2**32 - 1, 2**64 - 1):
        counted = size(count) if count < 2**32 else b"\xff" + count.to_bytes(8, "little")
        claims += [
            with_global(V0, b"\x00", head[:4] + counted + head[5:]),
            with_global(V0, b"\x00", head[:87] + counted + head[88:]),
            with_global(V2, b"\x04", counted),
            with_global(V2, b"\x05", counted),
            MAGIC + counted,
            MAGIC + b"\x01\x00" + counted,
            psbts.with_field("input", b"\x16" + psbts.XONLY, counted + psbts.DERIVATION),
            psbts.with_field("input", b"\x08", counted + bytes(40)),
        ]
    for claim in claims:
        assert len(claim) < 2_000
        tracemalloc.start()
        trial.refused_as(COUNTS, lambda claim=claim: parse(claim))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_000_000
    for kind in ("inputs", "outputs"):
        trial.passes(lambda kind=kind: parse(psbts.v2(**{kind: 1_000})))
        trial.refused(f"psbt-too-many-{kind}", lambda kind=kind: parse(psbts.v2(**{kind: 10_001})))
    trial.refused("psbt-too-large", lambda: parse(MAGIC + bytes(16 * 1024 * 1024)))
    many = with_many_fields(250_001)
    trial.refused("psbt-too-many-fields", lambda: parse(many))


def with_many_fields(count: int) -> bytes:
    whole = psbts.v0()
    at = len(whole) - 2
    assert whole[at:] == b"\0\0"
    return (
        whole[:at]
        + b"".join(b"\x04\xf0" + number.to_bytes(3, "big") + b"\x00" for number in range(count))
        + b"\0\0"
    )


@attack(
    "A080",
    prevented="every map is read once: the work grows with the bytes and no faster, counted in calls",
)
def work_that_grows_with_the_square(trial: Trial) -> None:
    def calls(act: Callable[[], object]) -> int:
        count = 0

        def tick(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(tick)
        try:
            act()
        finally:
            sys.setprofile(None)
        return count

    def square(count: int) -> list[bool]:
        return [bool(abs(each)) for each in range(count) for _ in range(abs(count))]

    trial.fires(lambda: _linear(calls, lambda count: square(count // 10)))
    for kind in ("inputs", "outputs"):
        _linear(calls, lambda count, kind=kind: parse(psbts.v2(**{kind: count})))
        _linear(calls, lambda count, kind=kind: parse(psbts.v0(**{kind: count})))
    _linear(calls, lambda count: parse(with_many_fields(count)))
    _linear(calls, lambda count: proven(_paying(count), WPKH))
    trial.passes(lambda: parse(psbts.v2(outputs=10_000)))


def _paying(count: int) -> bytes:
    """One coin to `count` strangers; made before it is measured."""
    if count not in _MADE:
        pay = [(stranger_address(number), 1_000) for number in range(count)]
        payment = Payment(WPKH, coins=[(OwnPlace(0, 0), 1_300 * count)], pay=pay, change=[])
        _MADE[count] = raw(payment)
    return _MADE[count]


_MADE: dict[int, bytes] = {}


def _linear(calls: Callable[[Callable[[], object]], int], act: Callable[[int], Any]) -> None:
    for count in (300, 600, 1_200):
        act(count)
    small, middle, large = (calls(lambda count=count: act(count)) for count in (300, 600, 1_200))
    assert large - middle <= 2.2 * (middle - small) + 50, (small, middle, large)


@attack("A081", "psbt-base64-malformed", "psbt-hex-refused", "psbt-not-recognised", "psbt-empty")
def other_encodings(trial: Trial) -> None:
    """One spelling of base64, the binary form, and nothing else; never by trial."""
    data = V0
    while b"+" not in base64.b64encode(data) and b"/" not in base64.b64encode(data):
        data = with_input(data, 0, b"\xc8" + bytes([len(data) % 256]), bytes(range(len(data) % 200, 255)))
    text = base64.b64encode(data)
    trial.passes(lambda: parse(data))
    for around in (b"%s", b"%s\n", b"\r\n%s\r\n", b" %s "):
        trial.passes(lambda around=around: parse(around % text))
    url = base64.urlsafe_b64encode(data)
    assert url != text
    lines = base64.encodebytes(data)
    unpadded = next(
        t.rstrip(b"=")
        for t in (base64.b64encode(with_global(data, b"\xc9", bytes(n))) for n in range(3))
        if t.endswith(b"=")
    )
    tail = next(
        t
        for t in (base64.b64encode(with_global(data, b"\xc9", bytes(n))) for n in range(3))
        if t.endswith(b"==")
    )
    loose = tail[:-3] + bytes([tail[-3] + 1]) + b"=="
    for bent in (
        url,
        lines,
        unpadded,
        loose,
        text + b"=",
        text[:-4] + b" " + text[-4:],
        text.replace(b"cHNidP", b"cHNidP\n", 1),
    ):
        trial.refused("psbt-base64-malformed", lambda bent=bent: parse(bent))
    for bent in (data.hex().encode(), data.hex().upper().encode(), b" " + data.hex().encode()):
        trial.refused("psbt-hex-refused", lambda bent=bent: parse(bent))
    for bent in (
        b"\xef\xbb\xbf" + text, b"0x" + data.hex().encode(), text.decode().encode("utf-16"), b'"' + text + b'"', b"psbt:" + text,
        base64.b64encode(text), base64.b32encode(data), data[1:], b"PSBT\xff" + data[5:], b"psbt\x0a" + data[5:],
        b"\x00" + data, b"\n" + data,
        text.swapcase(),
    ):  # fmt: skip
        trial.refused("psbt-not-recognised", lambda bent=bent: parse(bent))
    for nothing in (b"", b"\n", b" \t\r\n"):
        trial.refused("psbt-empty", lambda nothing=nothing: parse(nothing))


@attack("A082", "psbt-combine-other-transaction", "psbt-combine-conflict")
def answers_that_do_not_belong_together(trial: Trial) -> None:
    psbt = Payment(WSH).psbt()
    verified = proven(psbt.raw, WSH)
    one, two = (signed(psbt, verified, [seed]) for seed in (1, 3))
    whole = trial.passes(lambda: combine(psbt, one, two))
    assert combine(psbt, two, one) == whole
    assert [len(view.partial_sigs) for view in whole.inputs] == [2, 2]
    # global keys are not lost on the way
    known = parse(with_global(psbt.raw, b"\x01" + psbts.XPUB, psbts.DERIVATION))
    assert combine(known, one).xpubs == known.xpubs
    for change in (
        lambda tx: dataclasses.replace(tx, locktime=1),
        lambda tx: dataclasses.replace(tx, version=1),
        lambda tx: dataclasses.replace(tx, outputs=tx.outputs[::-1]),
        lambda tx: dataclasses.replace(
            tx, inputs=(dataclasses.replace(tx.inputs[0], sequence=1), *tx.inputs[1:])
        ),
    ):
        other = parse(with_transaction(one.raw, change))
        trial.refused("psbt-combine-other-transaction", lambda other=other: combine(psbt, other))
    for put, key in (
        (_first(with_input), WITNESS_UTXO),
        (_first(with_input), b"\xc8"),
        (with_global, b"\xc8"),
        (_first(with_output), b"\xc8"),
    ):
        first, second = (
            parse(put(one.raw, key, claimed_utxo(1, b"\x51"))),
            parse(put(two.raw, key, claimed_utxo(2, b"\x51"))),
        )
        trial.refused("psbt-combine-conflict", lambda f=first, s=second: combine(psbt, f, s))
        trial.refused("psbt-combine-conflict", lambda f=first, s=second: combine(psbt, s, f))
    # two good signatures of one key, which differ: neither is preferred
    place = verified.inputs[0]
    again = with_input(one.raw, 0, b"\x02" + place.scripts.pubkeys[0], other_signature(1, place))
    trial.refused("psbt-combine-conflict", lambda: combine(psbt, one, parse(again)))


def other_signature(seed: int, item: Any) -> bytes:
    """A valid signature with another nonce than the deterministic one, in plain integers."""
    secret = int.from_bytes(private_key(seed, WSH.keys[seed - 1].origin, item.place), "big")
    digest = int.from_bytes(item.digest, "big")
    k = 7
    from coincurve import PrivateKey

    r = int.from_bytes(PrivateKey(k.to_bytes(32, "big")).public_key.format()[1:], "big") % ORDER
    s = pow(k, -1, ORDER) * (digest + r * secret) % ORDER
    s = min(s, ORDER - s)
    return der(r, s) + b"\x01"


def der(r: int, s: int) -> bytes:
    def integer(value: int) -> bytes:
        body = value.to_bytes((value.bit_length() + 8) // 8, "big")
        return b"\x02" + bytes([len(body)]) + body

    inner = integer(r) + integer(s)
    return b"\x30" + bytes([len(inner)]) + inner


@attack("A083", "signature-invalid", "signature-key-foreign")
def signatures_that_sign_something_else(trial: Trial) -> None:
    """Garbage, over another input, another transaction, another amount, by another key: in the request and in the answer."""
    for form in ("wpkh", "wsh", "pkh", "tr"):
        wallet = WALLETS[form]
        psbt = Payment(wallet).psbt()
        verified = proven(psbt.raw, wallet)
        seeds = [1, 2][: wallet.threshold]
        answer = signed(psbt, verified, seeds)
        trial.passes(lambda v=verified, a=answer: verify_signatures(v, a))
        trial.passes(lambda a=answer, w=wallet: proven(a.raw, w))
        key, right = next((k, v) for k, v in RawPsbt(answer.raw).input(0) if k[0] in {0x02, 0x13})
        other_input = next(v for k, v in RawPsbt(answer.raw).input(1) if k[0] in {0x02, 0x13})
        other_tx = Payment(wallet, pay=[(stranger_address(5), 70_000)]).psbt()
        elsewhere = signed(other_tx, proven(other_tx.raw, wallet), seeds)
        other = next(v for k, v in RawPsbt(elsewhere.raw).input(0) if k == key)
        middle = len(right) // 2
        for wrong in (other_input, other, right[:middle] + bytes([right[middle] ^ 1]) + right[middle + 1 :]):
            bent = with_input(answer.raw, 0, key, wrong)
            trial.refused("signature-invalid", lambda v=verified, b=bent: verify_signatures(v, parse(b)))
            trial.refused("signature-invalid", lambda b=bent, w=wallet: proven(b, w))
    item = proven(Payment(WSH)).inputs[0]
    foreign = b"\x02" + wallet_of("wpkh").scripts(0, 3).pubkeys[0]
    stranger = ecdsa(private_key(1, WALLETS["wpkh"].keys[0].origin, item.place), item.digest)
    there = with_input(raw(Payment(WSH)), 0, foreign, stranger)
    trial.refused("signature-key-foreign", lambda: proven(there, WSH))
    # our own key of the neighbouring place
    neighbour = WSH.scripts(0, 4).pubkeys[0]
    there = with_input(raw(Payment(WSH)), 0, b"\x02" + neighbour, stranger)
    trial.refused("signature-key-foreign", lambda: proven(there, WSH))


@attack(
    "A084",
    "final-witness-invalid",
    "signature-invalid",
    "signature-not-der",
    "signature-high-s",
    "quorum-incomplete",
)
def bent_witnesses(trial: Trial) -> None:
    psbt = Payment(WSH).psbt()
    verified = proven(psbt.raw, WSH)
    item = verified.inputs[0]
    done = trial.passes(lambda: finalize(verify_signatures(verified, signed(psbt, verified, [1, 3]))))
    stack = done.tx.inputs[0].witness
    trial.passes(lambda: evaluate(item, b"", stack))
    empty, first, second, script = stack
    for bent in (
        (empty, second, first, script),
        (first, second, script),
        (b"\x00", first, second, script),
        (empty, first, script),
        (empty, first, first, script),
        (empty, first, second, second, script),
        (empty, first, second, script, b""),
        (b"", empty, first, second, script),
        (empty, first, second),
        (),
    ):
        trial.refused("final-witness-invalid", lambda bent=bent: evaluate(item, b"", bent))
    trial.refused("final-witness-invalid", lambda: evaluate(item, b"\x00", stack))
    trial.refused(
        "quorum-incomplete", lambda: finalize(verify_signatures(verified, signed(psbt, verified, [1])))
    )
    r, s = parse_der(first[:-1])
    for bent, rule in (
        (der(r, ORDER - s), "signature-high-s"),
        (b"\x30" + bytes([first[1] + 1]) + first[2:-1] + b"\x00", "signature-not-der"),
        (first[:-1].replace(b"\x02\x20", b"\x02\x21\x00", 1), "signature-not-der"),
        (first[:-1] + b"\x00", "signature-not-der"),
        (b"\x30\x81" + first[1:-1], "signature-not-der"),
        (b"", "signature-not-der"),
    ):
        trial.refused(rule, lambda bent=bent: verify_ecdsa(item.scripts.pubkeys[0], bent, item.digest))
        # in the place of a signature it is no signature at all
        trial.refused_as(
            {"final-witness-invalid", "signature-not-der"},
            lambda b=bent: evaluate(item, b"", (empty, b + b"\x01", second, script)),
        )
    wanted = "raw/C2SP_wycheproof/testvectors_v1/ecdsa_secp256k1_sha256_bitcoin_test.json"
    counted = {"valid": 0, "invalid": 0}
    for group in json.loads((trial.vectors / wanted).read_text())["testGroups"]:
        key = PublicKey(bytes.fromhex(group["publicKey"]["uncompressed"])).format()
        for each in group["tests"]:
            digest, signature = (
                hashlib.sha256(bytes.fromhex(each["msg"])).digest(),
                bytes.fromhex(each["sig"]),
            )
            check = partial(verify_ecdsa, key, signature, digest)
            if each["result"] == "valid":
                trial.passes(check)
            else:
                trial.refused_as({"signature-not-der", "signature-high-s", "signature-invalid"}, check)
            counted[each["result"]] += 1
    assert sum(counted.values()) == 463


@attack("A085", "answer-other-transaction", "response-other-transaction", "answer-unknown")
def answer_to_something_else(trial: Trial) -> None:
    """The evil twin of each part of the transaction, validly signed by the cosigner."""
    psbt = Payment(WPKH).psbt()
    verified = proven(psbt.raw, WPKH)
    trial.passes(lambda: verify_signatures(verified, signed(psbt, verified, [1])))
    for change in ({"locktime": 7}, {"version": 1}, {"sequence": 0xFFFFFFFF}, {"pay": [(stranger_address(6), 70_000)]},
                   {"change": [(OwnPlace(1, 2), 38_000)]}, {"pay": [(stranger_address(), 71_000)]}):  # fmt: skip
        twin = Payment(WPKH, **change).psbt()
        answer = signed(twin, proven(twin.raw, WPKH), [1])
        trial.refused("answer-other-transaction", lambda answer=answer: verify_signatures(verified, answer))
        done = verify_signatures(proven(twin.raw, WPKH), answer)
        trial.refused(
            "answer-other-transaction",
            lambda d=done: merge(verify_signatures(verified, signed(psbt, verified, [1])), d),
        )
    from falconer_shared.exchange.response import check_response, parse_response

    desk = trial.desk(coins=(60_000, 50_000))
    one, two = (desk.create(sats).row.id for sats in (40_000, 30_000))
    requests = {each: desk.request(each) for each in (one, two)}
    answers = {each: desk.answer(data) for each, data in requests.items()}
    envelope = extract(parse(requests[one]))
    policy = desk.draft.policy()
    trial.passes(lambda: check_response(parse_response(parse(answers[one])), envelope.request, policy))
    trial.refused(
        "response-other-transaction",
        lambda: check_response(parse_response(parse(answers[two])), envelope.request, policy),
    )
    stranger = trial.desk("other", coins=(70_000,))
    foreign = stranger.answer(stranger.request(stranger.create(10_000).row.id))
    trial.refused("answer-unknown", lambda: desk.receive(foreign))


@attack(
    "A085",
    prevented="the file is read once: what was shown is what is signed, whatever the file became meanwhile",
)
def file_changed_between_page_and_signature(trial: Trial) -> None:
    """In a process of its own; the moment that the page is on the screen, the file pays somebody else."""
    now = int(time.time())
    office = Office.make(trial.folder / "now", wpkh_wallet(), now=now)
    (trial.folder / "identity").write_text(f"{office.identity.value}\n")
    signer = Signer(office.home, "north", identity=trial.folder / "identity")
    honest = office.request(now=now)
    evil = office.request(Payment(office.wallet, pay=[(stranger_address(66), 70_000)]), now=now)
    file, out = trial.folder / "request.psbt", trial.folder / "answer.psbt"
    file.write_bytes(honest)

    def swap(_match: object, shown: str) -> str:
        assert stranger_address() in "".join(shown.split())
        file.write_bytes(evil)
        return "70000"

    trial.passes(
        lambda: signer.run(
            "sign", file, "--out", out,
            answers=[("Sum of the payments in satoshis: ", swap), (LAST_OF_FIRST, stranger_address()[-4:])],
        )
    )  # fmt: skip
    answer = parse(out.read_bytes())
    assert file.read_bytes() == evil
    assert answer.tx == parse(honest).tx
    assert answer.tx != parse(evil).tx
    # what is on the file now is another request, and is judged anew
    assert read_request(office.state(), evil).digest != read_request(office.state(), honest).digest


@attack(
    "A086",
    prevented="maps are read-only, classes are frozen, and no default of any shipped function can be changed",
)
def data_of_one_psbt_in_the_next(trial: Trial) -> None:
    first = trial.passes(lambda: parse(V0))
    for maps in (first.global_map, first.inputs[0].fields, first.outputs[0].fields):
        with pytest.raises(TypeError):
            maps[b"\xc8"] = b"left over"  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.tx = None  # type: ignore[misc, assignment]
    fresh = parse(psbts.v0())
    assert not fresh.inputs[0].fields
    marked = parse(with_input(V0, 0, b"\xc8", b"mark"))
    assert b"\xc8" in marked.inputs[0].fields
    assert b"\xc8" not in parse(V0).inputs[0].fields
    before = proven(V0, WPKH)
    for other in (
        V2,
        with_tx_output(V0, 0, value=Amount(1_000)),
        V0[:-30],
        with_input(V0, 0, NON_WITNESS_UTXO, None),
    ):
        try:
            proven(other, WPKH)
        except Exception:  # noqa: BLE001, S112 - what was judged before, refused or not, leaves nothing behind
            continue
    assert proven(V0, WPKH) == before
    trial.fires(lambda: _no_shared_defaults({"planted.py": ast.parse("def f(a, b={}): pass")}))
    trial.fires(lambda: _no_shared_defaults({"planted.py": ast.parse("def f(*, b=[]): pass")}))
    trial.fires(lambda: _no_shared_defaults({"planted.py": ast.parse("f = lambda b=set(): b")}))
    _no_shared_defaults(shipped())


def _no_shared_defaults(sources: dict[str, ast.Module]) -> None:
    found = [
        f"{name}:{default.lineno}"
        for name, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for default in (*node.args.defaults, *node.args.kw_defaults)
        if isinstance(default, (ast.Dict, ast.List, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp))
        or (
            isinstance(default, ast.Call)
            and ast.unparse(default.func) in {"dict", "list", "set", "bytearray"}
        )
    ]
    assert not found, found


@attack(
    "A087",
    "psbt-field-not-in-version",
    prevented="the lock time that follows from the inputs is kept in either version",
)
def conversion_that_loses_a_lock_time(trial: Trial) -> None:
    def requiring(*fields: dict[int, int]) -> bytes:
        def change(each: RawPsbt) -> None:
            for index, required in enumerate(fields):
                each.input(index).extend(
                    (bytes((kind,)), struct.pack("<I", value)) for kind, value in required.items()
                )

        return edited(with_global(V2, b"\x03", struct.pack("<I", 77)), change)

    for fields, expected in (
        (({}, {}), 77),
        (({0x12: 10_000}, {}), 10_000),
        (({0x12: 10_000}, {0x12: 9_000}), 10_000),
        (({0x11: 1_657_048_460}, {}), 1_657_048_460),
        (({0x12: 10_000, 0x11: 1_657_048_459}, {0x11: 1_657_048_460}), 1_657_048_460),
        (({0x12: 10_000, 0x11: 1_657_048_460}, {0x12: 9_000, 0x11: 1_657_048_459}), 10_000),
    ):
        second = parse(requiring(*fields))
        first = trial.passes(lambda second=second: to_version(second, 0))
        assert first.tx.locktime == expected == second.tx.locktime
        assert to_version(first, 2).tx == second.tx
        assert proven(first.raw, WPKH).unsigned_hash == proven(second.raw, WPKH).unsigned_hash
    cases = [
        each
        for each in json.loads((trial.vectors / "json" / "bip370_psbt.json").read_text())
        if each["kind"] == "locktime"
    ]
    assert len(cases) == 10
    kept = 0
    for each in cases:
        expected = each["section"].split("computed to be ")[-1].rstrip(":")
        if expected.isdigit():
            psbt = parse(bytes.fromhex(each["hex"]))
            assert to_version(psbt, 0).tx.locktime == int(expected)
            kept += 1
    assert kept == 9
    silent = parse(psbts.with_example("output", 0x09, 2))
    trial.refused("psbt-field-not-in-version", lambda: to_version(silent, 0))
