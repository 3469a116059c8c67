"""Answers of every shape, for every form and both versions of request: the same transaction comes out."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pytest

from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.answer import read_answer
from falconer_shared.roles.finalize import finalize
from falconer_shared.verify.signatures import merge, verify_signatures
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from tests.support.answers import FINISHED, SHAPES, extracted, finished, trimmed, whole
from tests.support.treasury import FORMS, NOTHING_KNOWN, Payment, wallet_of


@lru_cache
def asked(form: str, version: int) -> VerifiedTransaction:
    """A request that went out in that version, as the coordinator keeps it."""
    wallet = wallet_of(form)
    return verify(Payment(wallet, psbt_version=version).psbt(), wallet, NOTHING_KNOWN)


@lru_cache
def expected(form: str) -> bytes:
    """What libwally makes of it."""
    verified = asked(form, 0)
    return extracted(finished(verified.psbt.raw, *seeds(verified)))


def seeds(verified: VerifiedTransaction) -> tuple[int, ...]:
    return (1, 3)[: verified.wallet.threshold]


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_of_each_signer(shape: Callable[[bytes, int], bytes], form: str, version: int) -> None:
    verified = asked(form, version)
    parts = [
        verify_signatures(verified, read_answer(shape(verified.psbt.raw, seed))) for seed in seeds(verified)
    ]
    assert finalize(merge(*parts)).raw == expected(form)


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", FINISHED.values(), ids=FINISHED)
def test_that_is_finished(shape: Callable[[UntrustedPsbt], bytes], form: str, version: int) -> None:
    verified = asked(form, version)
    answer = shape(finished(verified.psbt.raw, *seeds(verified)))
    assert finalize(verify_signatures(verified, read_answer(answer))).raw == expected(form)


@pytest.mark.parametrize("form", FORMS)
def test_trimming_loses_nothing_that_counts(form: str) -> None:
    """What SeedSigner cuts off is ours already."""
    verified = asked(form, 0)
    for seed in seeds(verified):
        everything, little = (shape(verified.psbt.raw, seed) for shape in (whole, trimmed))
        assert len(little) < len(everything)
        assert (
            verify_signatures(verified, read_answer(little)).signatures
            == verify_signatures(verified, read_answer(everything)).signatures
        )
