from __future__ import annotations

import time

import pytest

from falconer_offline import selfcheck
from falconer_shared.errors import StateError, VerificationError
from tests.support.refusal import refused


def test_every_known_answer_is_computed():
    assert len(selfcheck.run()) == 6
    start = time.perf_counter()
    selfcheck.run()
    assert time.perf_counter() - start < 0.25


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
    with pytest.raises(VerificationError):
        selfcheck.run()


def test_a_taproot_signature_with_another_nonce_stops_everything(monkeypatch):
    """Valid as it may be: one that others cannot compute again could carry a secret out (A088)."""
    monkeypatch.setattr("falconer_offline.keys.private.AUXILIARY_DATA", b"\1" * 32)
    with refused("selfcheck-failed", StateError):
        selfcheck.run()
