"""The curve: BIP 340 and Wycheproof vectors, strict signatures, keys on the curve, and no way to sign."""

from __future__ import annotations

import ast
import csv
import hashlib
import inspect
import json

import pytest
import wallycore
from coincurve import PrivateKey, PublicKey
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.bitcoin import curve
from falconer_shared.bitcoin.curve import (
    MAX_LOW_S,
    ORDER,
    check_pubkey,
    check_xonly,
    parse_der,
    tweak_add,
    verify_ecdsa,
    verify_schnorr,
)
from falconer_shared.errors import Malformed, VerificationError
from tests.support.refusal import outcome, refused

FIELD = 2**256 - 2**32 - 977
SECRETS = st.integers(1, ORDER - 1).map(lambda n: n.to_bytes(32, "big"))
DIGEST = hashlib.sha256(b"digest").digest()
KEY = PrivateKey((7).to_bytes(32, "big"))
PUBKEY = KEY.public_key.format()
SIGNATURE = KEY.sign(DIGEST, hasher=None)


def der(r: int, s: int) -> bytes:
    """Strict DER of two numbers, written independently of the reader."""
    body = b"".join(
        b"\x02" + bytes((len(n),)) + n for n in (x.to_bytes(x.bit_length() // 8 + 1, "big") for x in (r, s))
    )
    return b"\x30" + bytes((len(body),)) + body


def test_bip340(vectors):
    with (vectors / "vectors/raw/bitcoin_bips/bip-0340/test-vectors.csv").open(newline="") as file:
        cases = list(csv.DictReader(file))
    for case in cases:
        arguments = [bytes.fromhex(case[column]) for column in ("public key", "signature", "message")]
        _, rule = outcome(lambda a=arguments: verify_schnorr(*a))
        if case["verification result"] == "TRUE":
            assert rule is None
        else:
            assert rule in {"signature-invalid", "xonly-key-malformed"}, case
    assert len(cases) == 19


def test_wycheproof(vectors):
    """`valid` there means Bitcoin's rules: strict DER and low s."""
    file = vectors / "vectors/raw/C2SP_wycheproof/testvectors_v1/ecdsa_secp256k1_sha256_bitcoin_test.json"
    counts = {"valid": 0, "invalid": 0}
    for group in json.loads(file.read_text())["testGroups"]:
        pubkey = PublicKey(bytes.fromhex(group["publicKey"]["uncompressed"])).format()
        for case in group["tests"]:
            digest = hashlib.sha256(bytes.fromhex(case["msg"])).digest()
            _, rule = outcome(lambda c=case, p=pubkey, d=digest: verify_ecdsa(p, bytes.fromhex(c["sig"]), d))
            assert (rule is None) == (case["result"] == "valid"), (case["tcId"], rule)
            assert rule in {None, "signature-not-der", "signature-high-s", "signature-invalid"}
            counts[case["result"]] += 1
    assert sum(counts.values()) == 463
    assert min(counts.values()) > 100


@given(SECRETS, st.binary(min_size=32, max_size=32), st.integers(0, 511))
def test_a_good_signature_passes_and_any_flipped_bit_does_not(secret, digest, bit):
    key = PrivateKey(secret)
    pubkey, signature = key.public_key.format(), key.sign(digest, hasher=None)
    verify_ecdsa(pubkey, signature, digest)
    flipped = bytearray(signature)
    flipped[bit // 8 % len(signature)] ^= 1 << bit % 8
    assert outcome(lambda: verify_ecdsa(pubkey, bytes(flipped), digest))[1] in {
        "signature-not-der",
        "signature-high-s",
        "signature-invalid",
    }
    with refused("signature-invalid", VerificationError):
        verify_ecdsa(pubkey, signature, bytes(b ^ 1 for b in digest))


def test_a_signature_by_another_key():
    verify_ecdsa(PUBKEY, SIGNATURE, DIGEST)
    with refused("signature-invalid", VerificationError):
        verify_ecdsa(PrivateKey((8).to_bytes(32, "big")).public_key.format(), SIGNATURE, DIGEST)


@given(st.integers(1, ORDER - 1), st.integers(1, MAX_LOW_S))
def test_der_round_trip_and_wallycore_agree(r, s):
    signature = der(r, s)
    assert parse_der(signature) == (r, s)
    compact = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert wallycore.ec_sig_to_der(compact) == signature


@given(st.binary(max_size=80))
def test_any_bytes_are_der_exactly_or_refused(data):
    for candidate in (data, b"\x30" + bytes((len(data),)) + data):
        numbers, rule = outcome(lambda c=candidate: parse_der(c))
        if numbers is None:
            assert rule in {"signature-not-der", "signature-high-s"}
        else:
            assert der(*numbers) == candidate


def test_low_s_boundary():
    assert ORDER % 2 == 1
    assert parse_der(der(1, MAX_LOW_S)) == (1, MAX_LOW_S)
    with refused("signature-high-s", VerificationError):
        parse_der(der(1, MAX_LOW_S + 1))


def test_the_other_half_of_a_good_signature():
    r, s = parse_der(SIGNATURE)
    with refused("signature-high-s", VerificationError):
        verify_ecdsa(PUBKEY, der(r, ORDER - s), DIGEST)


@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (0, 0), (ORDER, 1), (ORDER + 1, 1), (2**256 - 1, 1)])
def test_numbers_that_no_signature_has(r, s):
    with refused("signature-invalid", VerificationError):
        verify_ecdsa(PUBKEY, der(r, s), DIGEST)


@pytest.mark.parametrize("r", [2**256, 2**257])
def test_numbers_of_more_than_256_bits(r):
    assert outcome(lambda: verify_ecdsa(PUBKEY, der(r, 1), DIGEST))[1] == "signature-invalid"


NOT_DER = {
    "empty": b"",
    "only the header": SIGNATURE[:2],
    "cut": SIGNATURE[:-1],
    "sighash byte left on": SIGNATURE + b"\1",
    "another type": b"\x31" + SIGNATURE[1:],
    "wrong length": SIGNATURE[:1] + bytes((SIGNATURE[1] + 1,)) + SIGNATURE[2:],
    "long length": b"\x30\x81" + SIGNATURE[1:],
    "r is no integer": SIGNATURE[:2] + b"\3" + SIGNATURE[3:],
    "negative r": bytes.fromhex("3006020181020101"),
    "negative s": bytes.fromhex("3006020101020181"),
    "padded r": bytes.fromhex("300702020001020101"),
    "padded s": bytes.fromhex("300702010102020001"),
    "empty r": bytes.fromhex("300502000202" + "0101"),
    "empty s": bytes.fromhex("3006020201010200"),
    "s runs over": bytes.fromhex("3006020101020201"),
    "r swallows s": bytes.fromhex("3006020401020101"),
    "something after s": bytes.fromhex("3008020101020101" + "0500"),
    "s is missing": bytes.fromhex("300602040102" + "0101"),
    "too long": b"\x30\x47" + bytes(71),
}


@pytest.mark.parametrize("name", NOT_DER)
def test_strict_der(name):
    assert parse_der(SIGNATURE)
    assert parse_der(bytes.fromhex("3006020101020101")) == (1, 1)
    with refused("signature-not-der", Malformed):
        parse_der(NOT_DER[name])
    with refused("signature-not-der", Malformed):
        verify_ecdsa(PUBKEY, NOT_DER[name], DIGEST)


@given(st.integers(0, FIELD - 1), st.sampled_from([2, 3]))
def test_keys_are_on_the_curve(x, parity):
    pubkey = bytes((parity,)) + x.to_bytes(32, "big")
    square = (pow(x, 3, FIELD) + 7) % FIELD
    on_curve = pow(square, (FIELD - 1) // 2, FIELD) == 1
    assert outcome(lambda: check_pubkey(pubkey))[1] == (None if on_curve else "pubkey-not-on-curve")
    assert outcome(lambda: check_xonly(pubkey[1:]))[1] == (None if on_curve else "xonly-key-malformed")


UNCOMPRESSED = KEY.public_key.format(compressed=False)


@pytest.mark.parametrize(
    ("pubkey", "rule"),
    [
        (UNCOMPRESSED, "pubkey-uncompressed"),
        (b"\6" + UNCOMPRESSED[1:], "pubkey-uncompressed"),
        (b"\7" + UNCOMPRESSED[1:], "pubkey-uncompressed"),
        (b"\2" + UNCOMPRESSED[1:], "pubkey-malformed"),
        (b"", "pubkey-malformed"),
        (PUBKEY[:-1], "pubkey-malformed"),
        (PUBKEY + b"\0", "pubkey-malformed"),
        (b"\4" + PUBKEY[1:], "pubkey-malformed"),
        (b"\0" + PUBKEY[1:], "pubkey-malformed"),
        (PUBKEY[1:], "pubkey-malformed"),
        (b"\2" + (5).to_bytes(32, "big"), "pubkey-not-on-curve"),
        (b"\2" + (FIELD + 1).to_bytes(32, "big"), "pubkey-not-on-curve"),
        (b"\2" + bytes(32), "pubkey-not-on-curve"),
    ],
)
def test_keys_that_are_refused(pubkey, rule):
    check_pubkey(PUBKEY)
    for check in (
        lambda: check_pubkey(pubkey),
        lambda: tweak_add(pubkey, bytes(32)),
        lambda: verify_ecdsa(pubkey, SIGNATURE, DIGEST),
    ):
        with refused(rule, Malformed):
            check()


@given(SECRETS, SECRETS)
def test_tweaks_follow_the_private_side(secret, tweak):
    key = PrivateKey(secret)
    if (int.from_bytes(secret, "big") + int.from_bytes(tweak, "big")) % ORDER:
        assert tweak_add(key.public_key.format(), tweak) == key.add(tweak).public_key.format()


def test_tweaks_without_a_key():
    assert tweak_add(PUBKEY, bytes(32)) == PUBKEY
    for tweak in (ORDER, ORDER + 1, 2**256 - 1, ORDER - 7):
        with refused("curve-tweak-invalid", VerificationError):
            tweak_add(PUBKEY, tweak.to_bytes(32, "big"))
    assert (
        tweak_add(PUBKEY, (ORDER - 6).to_bytes(32, "big"))
        == PrivateKey((1).to_bytes(32, "big")).public_key.format()
    )


def test_schnorr_shapes():
    key = PrivateKey((3).to_bytes(32, "big"))
    xonly, signature = key.public_key.format()[1:], key.sign_schnorr(DIGEST)
    verify_schnorr(xonly, signature, DIGEST)
    for bad in (signature[:-1], signature + b"\1", b"", bytes(64)):
        with refused("signature-invalid", VerificationError):
            verify_schnorr(xonly, bad, DIGEST)
    for bad_key in (xonly[1:], b"\2" + xonly, bytes(32), b""):
        with refused("xonly-key-malformed", Malformed):
            verify_schnorr(bad_key, signature, DIGEST)


def test_sizes_that_only_a_programmer_gets_wrong():
    with pytest.raises(ValueError, match="tweak"):
        tweak_add(PUBKEY, bytes(31))
    with pytest.raises(ValueError, match="digest"):
        verify_ecdsa(PUBKEY, SIGNATURE, DIGEST[1:])


def test_nothing_here_can_sign():
    """The calls into the library, listed: each only checks or adds in public."""
    tree = ast.parse(inspect.getsource(curve))
    calls = {
        n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr.startswith("secp256k1_")
    }
    assert calls == {
        "secp256k1_context_static",
        "secp256k1_ec_pubkey_parse",
        "secp256k1_ec_pubkey_serialize",
        "secp256k1_ec_pubkey_tweak_add",
        "secp256k1_ecdsa_signature_parse_compact",
        "secp256k1_ecdsa_verify",
        "secp256k1_schnorrsig_verify",
        "secp256k1_xonly_pubkey_from_pubkey",
        "secp256k1_xonly_pubkey_parse",
        "secp256k1_xonly_pubkey_tweak_add",
    }


class TestRemembered:
    """Points of keys that were computed here are not read again; that changes no answer and holds a bounded number (A086)."""

    def test_the_same_with_and_without(self, monkeypatch):
        fresh = curve._Remembered()
        monkeypatch.setattr(curve, "_POINTS", fresh)
        monkeypatch.setattr(curve, "_XONLY_POINTS", curve._Remembered())
        tweak = hashlib.sha256(b"tweak").digest()
        child = tweak_add(PUBKEY, tweak)
        remembered = (tweak_add(child, tweak), curve.xonly_tweak_add(child[1:], tweak))
        again = curve.xonly_tweak_add(remembered[1], tweak)
        assert fresh.get(child) is not None
        monkeypatch.setattr(curve, "_POINTS", curve._Remembered())
        monkeypatch.setattr(curve, "_XONLY_POINTS", curve._Remembered())
        assert (tweak_add(child, tweak), curve.xonly_tweak_add(child[1:], tweak)) == remembered
        assert curve.xonly_tweak_add(remembered[1], tweak) == again
        # what is added to is a copy: the remembered point is still the key's
        assert tweak_add(child, tweak) == remembered[0]

    def test_what_comes_from_outside_is_read_every_time(self, monkeypatch):
        fresh = curve._Remembered()
        monkeypatch.setattr(curve, "_POINTS", fresh)
        check_pubkey(PUBKEY)
        assert fresh.get(PUBKEY) is None

    def test_bounded(self, monkeypatch):
        monkeypatch.setattr(curve, "MAX_REMEMBERED", 3)
        fresh = curve._Remembered()
        monkeypatch.setattr(curve, "_POINTS", fresh)
        for number in range(1, 10):
            tweak_add(PUBKEY, number.to_bytes(32, "big"))
            assert len(fresh._points) <= 3
