from __future__ import annotations

import pytest
import wallycore
from coincurve import PrivateKey as CurveKey

from falconer_offline import selfcheck
from falconer_shared.bitcoin.curve import ORDER, verify_ecdsa
from falconer_shared.errors import StateError
from tests.support.refusal import refused


def test_every_known_answer_is_computed():
    assert len(selfcheck.run()) == 6


class Constant:
    """A hash that says the same of everything."""

    @staticmethod
    def sha256(_data: bytes) -> Constant:
        return Constant()

    @staticmethod
    def digest() -> bytes:
        return bytes(32)


BREAKS = {
    "hashes": ("ripemd160", lambda _data: bytes(20)),
    "derivation (BIP 32)": ("_VECTOR_1", bytes(16)),
    "words (BIP 39, BIP 84)": ("seed_of", lambda _words, _passphrase: bytes(64)),
    "digest (BIP 143)": ("_BIP143_UNSIGNED", selfcheck._BIP143_UNSIGNED.replace("01000000", "02000000", 1)),
    "signature (RFC 6979, low r)": ("hashlib", Constant),
    "taproot (BIP 340, BIP 341)": ("key_path_output_key", lambda key: key),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_part_is_noticed(monkeypatch, name):
    monkeypatch.setattr(selfcheck, *BREAKS[name])
    with refused("selfcheck-failed", StateError):
        selfcheck._CHECKS[name](name)


def test_a_signature_that_does_not_verify_stops_everything(monkeypatch):
    real = selfcheck.PrivateNode.sign
    monkeypatch.setattr(selfcheck.PrivateNode, "sign", lambda self, digest: real(self, digest[::-1]))
    with refused("selfcheck-failed", StateError):
        selfcheck.run()


def test_an_ecdsa_signature_with_another_nonce_stops_everything(monkeypatch):
    """Valid, low in r and the same each time: only the published one tells that its nonce is not RFC 6979's (A088)."""

    def chosen(self, digest):
        k = 1
        while True:
            k += 1
            r = int.from_bytes(CurveKey(k.to_bytes(32, "big")).public_key.format()[1:], "big")
            if r < 1 << 255:
                break
        s = (
            pow(k, -1, ORDER)
            * (int.from_bytes(digest, "big") + r * int.from_bytes(self._secret, "big"))
            % ORDER
        )
        compact = r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")
        return bytes(wallycore.ec_sig_to_der(compact))

    node = selfcheck.PrivateNode.from_seed(bytes(range(16)))
    verify_ecdsa(node.public().pubkey, chosen(node, bytes(32)), bytes(32))
    monkeypatch.setattr(selfcheck.PrivateNode, "sign", chosen)
    with refused("selfcheck-failed", StateError):
        selfcheck.run()


def test_a_taproot_signature_with_another_nonce_stops_everything(monkeypatch):
    """Valid as it may be: one that others cannot compute again could carry a secret out (A088)."""
    monkeypatch.setattr("falconer_offline.keys.private.AUXILIARY_DATA", b"\1" * 32)
    with refused("selfcheck-failed", StateError):
        selfcheck.run()
