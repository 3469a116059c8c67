"""The second opinion, from the signer's side: embit is asked about every input that will be signed, and one no is enough."""

from __future__ import annotations

from pathlib import Path

import pytest
from embit.transaction import Transaction as Embit

from falconer_offline.cli.signing import judge as command_judges
from falconer_offline.keys.private import PrivateNode
from falconer_offline.review import judge, read_request
from falconer_offline.session import refuse_session, sign_session
from falconer_offline.state import journal
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.errors import VerificationError
from falconer_shared.exchange.response import parse_response
from falconer_shared.verify.digests import with_digests
from falconer_shared.wallet.ownership import OwnPlace
from tests.offline.office import NOW, Office, Ring, Willing
from tests.support.refusal import refused
from tests.support.treasury import FORMS, Payment, private_key, signature_of, wallet_of

COINS = 9
"""More than one signature in two needs Core's counter for a low R: among so many, some do."""

METHODS = {
    InputKind.LEGACY: "sighash_legacy",
    InputKind.SEGWIT_V0: "sighash_segwit",
    InputKind.TAPROOT: "sighash_taproot",
}


@pytest.fixture(params=FORMS)
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Office:
    wallet = wallet_of(request.param)
    return Office.make(tmp_path / "home", wallet, seeds=(1, 3)[: wallet.threshold])


def many(office: Office) -> bytes:
    """A request that spends so many coins, of both branches."""
    places = [OwnPlace(number % 2, 1 + number) for number in range(COINS)]
    change = 12_000 * COINS - 70_000 - 3_500
    return office.request(
        Payment(
            office.wallet,
            coins=[(place, 12_000) for place in places],
            change=[(OwnPlace(1, 2), change)],
        )
    )


class Opinions:
    """What embit was asked and said, and what then was signed, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, wrong_at: int | None = None) -> None:
        self.said: dict[int, bytes] = {}
        self.asked_by: set[str] = set()
        self.signed: list[bytes] = []
        self.steps: list[str] = []
        for name in METHODS.values():
            monkeypatch.setattr(Embit, name, self._listening(name, getattr(Embit, name), wrong_at))
        for name in ("sign", "sign_taproot"):
            monkeypatch.setattr(PrivateNode, name, self._signing(getattr(PrivateNode, name)))

    def _listening(self, name, real, wrong_at):
        def asked(transaction, index, *rest, **named):
            digest = bytes(real(transaction, index, *rest, **named))
            if index == wrong_at:
                digest = digest[:-1] + bytes((digest[-1] ^ 1,))
            assert not self.steps, "embit is asked before anything is kept"
            self.asked_by.add(name)
            self.said[index] = digest
            return digest

        return asked

    def _signing(self, real):
        def signing(node, digest):
            self.signed.append(digest)
            return real(node, digest)

        return signing


def test_every_digest_that_is_signed_is_one_that_embit_computed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = many(office)
    opinions = Opinions(monkeypatch)
    judged = office.judge(data)
    kind = judged.verified.inputs[0].kind
    assert opinions.asked_by == {METHODS[kind]}
    assert sorted(opinions.said) == list(range(COINS))
    said = dict(opinions.said)
    before = office.state().head
    monkeypatch.setattr(journal, "reserve", _noting(opinions, journal.reserve))
    answer = sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW)
    assert opinions.steps == ["reserve"]
    assert office.state().head != before
    # each key signs each input once, in order: what embit said about that input
    assert opinions.signed == [said[index] for index in range(COINS)] * office.wallet.threshold
    for item, view in zip(judged.verified.inputs, parse_response(answer.psbt).psbt.inputs, strict=True):
        positions = ((0, 1), (2, 3))[: office.wallet.threshold]
        expected = [
            signature_of(private_key(seed, office.wallet.keys[position].origin, item.place), item)
            for position, seed in positions
        ]
        assert sorted(view.signature_fields.values()) == sorted(expected)


def _noting(opinions: Opinions, real):
    def noting(*arguments, **named):
        opinions.steps.append("reserve")
        return real(*arguments, **named)

    return noting


@pytest.mark.parametrize("wrong_at", [0, 4, COINS - 1])
def test_one_other_opinion_of_many_refuses_everything(
    office: Office, monkeypatch: pytest.MonkeyPatch, wrong_at: int
) -> None:
    data = many(office)
    state = office.state()
    readable = read_request(state, data)
    opinions = Opinions(monkeypatch, wrong_at)
    with refused("second-opinion-differs", VerificationError) as caught:
        judge(state, readable, NOW)
    assert caught.value.details["input"] == wrong_at
    assert opinions.signed == []
    assert office.state().head == state.head
    # what leaves is the receipt of a refusal, and no signature
    answer = refuse_session(state, readable, caught.value, office.machine, NOW)
    assert answer.receipt.receipt.refusals == ("second-opinion-differs",)
    assert not any(view.signature_fields for view in answer.psbt.inputs)
    assert opinions.signed == []


def test_without_an_opinion_on_some_input_there_is_no_transaction(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody forgets an input, by a mistake of ours either."""
    data = many(office)
    module = with_digests.__globals__
    real = module["must_agree"]
    monkeypatch.setitem(
        module, "must_agree", lambda unsigned, questions, spent: real(unsigned, questions[:-1], spent)
    )
    with pytest.raises(ValueError, match="every input"):
        office.judge(data)


def test_the_command_judges_by_that_function() -> None:
    assert command_judges is judge
