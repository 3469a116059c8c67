from __future__ import annotations

import copy
import hashlib
import hmac
import json
import pickle

import pytest
import wallycore
from embit.bip32 import HDKey
from embit.ec import PrivateKey
from embit.util import secp256k1
from hypothesis import given
from hypothesis import strategies as st

from falconer_offline.keys.private import PrivateNode
from falconer_shared.bitcoin import curve
from falconer_shared.bitcoin.bip32 import HARDENED, parse_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.taproot import key_path_output_key
from falconer_shared.errors import VerificationError
from tests.support.refusal import refused

SEED = bytes(range(64))


def test_the_vectors_of_bip_32(vectors):
    document = json.loads((vectors / "vectors" / "json" / "bip32.json").read_text())
    found = [
        (vector["seed"], chain["path"], chain["xpub"]) for vector in document for chain in vector["chains"]
    ]
    assert len(found) >= 16
    for seed, path, xpub in found:
        steps = path.replace("H", "h").removeprefix("m").removeprefix("/")
        node = PrivateNode.from_seed(bytes.fromhex(seed)).derive_path(parse_path(steps))
        assert node.public().text(Network.MAINNET) == xpub


@given(st.binary(min_size=16, max_size=64), st.lists(st.integers(0, 2**32 - 1), max_size=5))
def test_derives_as_embit_does(seed, path):
    ours = PrivateNode.from_seed(seed).derive_path(path)
    theirs = HDKey.from_seed(seed).derive(path)
    assert ours.public().pubkey == theirs.key.get_public_key().sec()
    assert ours.public().chain_code == theirs.chain_code
    assert ours.public().parent_fingerprint == (theirs.fingerprint if path else bytes(4))


@given(st.lists(st.integers(0, HARDENED - 1), max_size=4))
def test_private_and_public_derivation_meet(path):
    node = PrivateNode.from_seed(SEED)
    assert node.derive_path(path).public() == node.public().derive_branch(path)


def _core_signature(secret: bytes, digest: bytes) -> bytes:
    """RFC 6979 and Core's counter, written out in Python integers: an implementation that shares nothing with libsecp256k1."""
    p, n = 2**256 - 2**32 - 977, curve.ORDER
    g = (
        0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
        0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
    )

    def add(a, b):
        if a is None or b is None:
            return a or b
        if a[0] == b[0] and (a[1] + b[1]) % p == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, p) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, p)
        x = (slope * slope - a[0] - b[0]) % p
        return x, (slope * (a[0] - x) - a[1]) % p

    def times(k):
        result, point = None, g
        while k:
            if k & 1:
                result = add(result, point)
            point, k = add(point, point), k >> 1
        return result

    counter = 0
    while True:
        extra = counter.to_bytes(4, "little").ljust(32, b"\0") if counter else b""
        v, k = b"\x01" * 32, b"\0" * 32
        for tag in (b"\0", b"\1"):
            k = hmac.digest(k, v + tag + secret + digest + extra, "sha256")
            v = hmac.digest(k, v, "sha256")
        v = hmac.digest(k, v, "sha256")
        nonce = int.from_bytes(v, "big")
        r = times(nonce)[0] % n
        s = pow(nonce, -1, n) * (int.from_bytes(digest, "big") + r * int.from_bytes(secret, "big")) % n
        if r < 1 << 255:
            s = min(s, n - s)
            body = b"".join(
                b"\x02" + bytes([len(raw)]) + raw
                for raw in (i.to_bytes(i.bit_length() // 8 + 1, "big") for i in (r, s))
            )
            return b"\x30" + bytes([len(body)]) + body
        counter += 1


def test_signatures_are_those_of_rfc_6979_with_the_counter_of_core():
    node = PrivateNode.from_seed(SEED)
    counted = 0
    for number in range(12):
        digest = hashlib.sha256(b"%d" % number).digest()
        made = node.sign(digest)
        assert made == _core_signature(node._secret, digest)
        plain = wallycore.ec_sig_from_bytes(node._secret, digest, wallycore.EC_FLAG_ECDSA)
        counted += bytes(wallycore.ec_sig_to_der(plain)) != made
    assert counted, "no digest needed the counter: choose others"


@given(st.binary(min_size=32, max_size=32))
def test_signatures_are_those_of_libwally_low_and_valid(digest):
    node = PrivateNode.from_seed(SEED)
    made = node.sign(digest)
    theirs = wallycore.ec_sig_from_bytes(
        node._secret, digest, wallycore.EC_FLAG_ECDSA | wallycore.EC_FLAG_GRIND_R
    )
    assert made == bytes(wallycore.ec_sig_to_der(theirs))
    assert len(made) <= 70
    curve.verify_ecdsa(node.public().pubkey, made, digest)


@given(st.binary(min_size=32, max_size=32), st.integers(0, HARDENED - 1))
def test_taproot_signatures_are_those_of_embit_and_libwally(digest, index):
    """Tweaked and signed by two others: our private keys of both parities, auxiliary data of zeros."""
    node = PrivateNode.from_seed(SEED).derive(index)
    made = node.sign_taproot(digest)
    tweaked = PrivateKey(node._secret).taproot_tweak()
    # told outright: without auxiliary data the library that embit carries leaves out a step of BIP 340
    assert made == bytes(secp256k1.schnorrsig_sign(digest, tweaked.secret, None, bytes(32)))
    assert made == bytes(wallycore.ec_sig_from_bytes(tweaked.secret, digest, wallycore.EC_FLAG_SCHNORR))
    assert made == bytes(
        wallycore.ec_sig_from_bytes_aux(tweaked.secret, digest, bytes(32), wallycore.EC_FLAG_SCHNORR)
    )
    curve.verify_schnorr(key_path_output_key(node.public().pubkey[1:]), made, digest)


def test_taproot_signatures_of_both_parities_were_tried():
    prefixes = {PrivateNode.from_seed(SEED).derive(index).public().pubkey[0] for index in range(8)}
    assert prefixes == {2, 3}


def test_a_taproot_signature_is_not_by_the_key_that_the_wallet_derives():
    node = PrivateNode.from_seed(SEED)
    digest = hashlib.sha256(b"digest").digest()
    with refused("signature-invalid", VerificationError):
        curve.verify_schnorr(node.public().pubkey[1:], node.sign_taproot(digest), digest)


def test_the_key_path_vectors_of_bip_341_and_86(vectors):
    path = vectors / "vectors/raw/bitcoin_bips/bip-0341/wallet-test-vectors.json"
    tried = 0
    for case in json.loads(path.read_text())["keyPathSpending"][0]["inputSpending"]:
        given_, wanted = case["given"], bytes.fromhex(case["expected"]["witness"][0])[:64]
        node = PrivateNode(bytes.fromhex(given_["internalPrivkey"]), bytes(32), 0, bytes(4), 0)
        made = node.sign_taproot(bytes.fromhex(case["intermediary"]["sigHash"]))
        # a key that commits to a tree is another key, and we have none such
        assert (made == wanted) is (given_["merkleRoot"] is None)
        tried += made == wanted
    assert tried == 1


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_digests_have_32_bytes(size):
    node = PrivateNode.from_seed(SEED)
    for sign in (node.sign, node.sign_taproot):
        with pytest.raises(ValueError, match="32 bytes"):
            sign(bytes(size))


def test_one_flipped_bit_of_the_digest_is_another_nonce():
    node = PrivateNode.from_seed(SEED)
    rs = {curve.parse_der(node.sign((1 << bit).to_bytes(32, "big")))[0] for bit in range(256)}
    assert len(rs) == 256
    assert len({node.sign_taproot((1 << bit).to_bytes(32, "big"))[:32] for bit in range(256)}) == 256


def test_secrets_are_not_shown_copied_or_pickled():
    node = PrivateNode.from_seed(SEED)
    assert node._secret.hex() not in repr(node)
    for escape in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            escape(node)


def test_depth_ends_at_255():
    node = PrivateNode.from_seed(SEED).derive_path([0] * 255)
    with refused("derivation-too-deep", VerificationError):
        node.derive(0)


@pytest.mark.parametrize("size", [15, 65])
def test_seeds_have_16_to_64_bytes(size):
    with pytest.raises(ValueError, match="16 to 64"):
        PrivateNode.from_seed(bytes(size))


def test_a_seed_that_gives_no_key_is_refused(monkeypatch):
    """Not to be found by chance (2^-127): the HMAC is made to give zero."""
    monkeypatch.setattr("falconer_offline.keys.private.hmac.digest", lambda *_: bytes(64))
    with refused("seed-unusable", VerificationError):
        PrivateNode.from_seed(SEED)


def test_a_tweak_that_gives_no_key_is_refused(monkeypatch):
    node = PrivateNode.from_seed(SEED)
    node.public()
    monkeypatch.setattr("falconer_offline.keys.private.hmac.digest", lambda *_: b"\xff" * 64)
    monkeypatch.setattr("falconer_offline.keys.private.ChildHash.__call__", lambda *_: b"\xff" * 64)
    for index in (0, HARDENED):
        with refused("curve-tweak-invalid", VerificationError):
            node.derive(index)
