"""A signing session for every form of a wallet: the answer is what others would have signed, byte for byte."""

from __future__ import annotations

import pytest

from falconer_offline import sign as signing
from falconer_offline.keys.private import PrivateNode
from falconer_offline.session import sign_session
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.errors import VerificationError
from falconer_shared.exchange.response import parse_response
from falconer_shared.roles.finalize import finalize
from falconer_shared.verify.signatures import verify_signatures
from tests.offline.office import NOW, Office, Ring, Willing
from tests.support.refusal import refused
from tests.support.treasury import FORMS, Payment, private_key, signature_of, wallet_of


@pytest.fixture(params=FORMS)
def office(request, tmp_path) -> Office:
    wallet = wallet_of(request.param)
    return Office.make(tmp_path / "home", wallet, seeds=(1, 3)[: wallet.threshold])


def answer_of(office: Office, data: bytes):
    return sign_session(office.state(), office.judge(data), Willing(), Ring(office), lambda: NOW)


@pytest.mark.parametrize("version", [0, 2])
def test_every_signature_is_the_one_that_another_program_makes(office, version):
    """A088: keys derived and taproot keys tweaked by embit, signatures computed by libwally."""
    data = office.request(Payment(office.wallet, psbt_version=version))
    judged = office.judge(data)
    answer = answer_of(office, data)
    response = parse_response(answer.psbt)
    for item, view in zip(judged.verified.inputs, response.psbt.inputs, strict=True):
        expected = {}
        for position, seed in ((0, 1), (2, 3))[: office.wallet.threshold]:
            secret = private_key(seed, office.wallet.keys[position].origin, item.place)
            name = b"\x13" if item.kind is InputKind.TAPROOT else b"\x02" + item.scripts.pubkeys[position]
            expected[name] = signature_of(secret, item)
        assert view.signature_fields == expected
    complete = verify_signatures(judged.verified, answer.psbt)
    assert complete.complete
    finalize(complete)


def test_the_same_request_is_signed_the_same(office):
    data = office.request()
    judged = office.judge(data)
    first, second = (answer_of(office, data).psbt for _ in range(2))
    assert [view.fields for view in first.inputs] == [view.fields for view in second.inputs]
    assert judged.verified.tx == first.tx


def test_a_nonce_that_comes_twice_is_refused(tmp_path, monkeypatch):
    """A089: two BIP 340 signatures with one R give the private key away."""
    office = Office.make(tmp_path / "home", wallet_of("tr"))
    judged = office.judge(office.request())
    same = PrivateNode.sign_taproot
    monkeypatch.setattr(
        PrivateNode, "sign_taproot", lambda self, digest: same(self, bytes(32))[:32] + bytes(32)
    )
    monkeypatch.setattr(PrivateNode, "derive", lambda self, index: self)
    item = judged.verified.inputs[0]
    key = PrivateNode.from_seed(bytes(64))
    assert signing._signature(key, item)[1] == signing._signature(key, judged.verified.inputs[1])[1]
    monkeypatch.setattr(signing, "_account", lambda reviewed, position, master: master)
    with refused("nonce-repeated", VerificationError):
        answer_of(office, office.request())


def test_a_wrong_signature_of_ours_never_leaves(office, monkeypatch):
    """A083: what was signed is verified through the shared core before it is given out."""
    for name in ("sign", "sign_taproot"):
        real = getattr(PrivateNode, name)
        monkeypatch.setattr(PrivateNode, name, lambda self, digest, real=real: real(self, digest[::-1]))
    with refused("signature-invalid", VerificationError):
        answer_of(office, office.request())


def test_the_untweaked_key_signs_for_nothing(tmp_path, monkeypatch):
    office = Office.make(tmp_path / "home", wallet_of("tr"))
    monkeypatch.setattr("falconer_offline.keys.private.key_path_tweak", lambda key: bytes(32))
    with refused("signature-invalid", VerificationError):
        answer_of(office, office.request())
