"""Answers as the signers of the world give them: whole, trimmed, finished, as a transaction; of either version; for every form.

From the coordinator's request to the network; tests/support/answers.py plays the signers.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.errors import Malformed, StateError, VerificationError
from falconer_shared.exchange.envelope import extract
from falconer_shared.psbt.build import to_version
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.answer import read_answer
from tests.online.desk import Desk
from tests.support.answers import FINISHED, SHAPES, extracted, finished, trimmed
from tests.support.refusal import refused
from tests.support.treasury import FORMS

VERSIONS = (0, 2)


class Signers:
    """A coordinator whose wallet is of one form, and the keys that sign for it."""

    def __init__(self, folder: Path, form: str) -> None:
        folder.mkdir(mode=0o700)
        self.form = form
        self.desk = Desk.make(folder, form=form, human_approval_threshold_sats=100_000_000)
        self.seeds = (1, 3)[: self.desk.node.wallet.threshold]
        self._next = 0

    def sent(self, version: int) -> tuple[str, bytes]:
        """A proposal of two coins of its own, and its request in that version."""
        coins = [self.desk.node.add_coin(self._next + number, 60_000) for number in range(2)]
        self._next += 2
        name = self.desk.create(90_000, coins=tuple(coins)).row.id
        return name, self.desk.request(name, version)

    def received(self, name: str, *answers: bytes) -> None:
        """All of them together are complete, and the network has the transaction."""
        for number, answer in enumerate(answers, 1):
            result = self.desk.receive(answer)
            assert result.receipt is None
            assert result.complete == (number == len(answers))
            assert not self.desk.receive(answer).new
        done = self.desk.broadcast(name)
        assert done.consensus is not None
        assert done.final.txid_hex in self.desk.node.mempool


@pytest.fixture(scope="module", params=FORMS)
def signers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Signers:
    return Signers(tmp_path_factory.mktemp("answers") / request.param, request.param)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_signer_answers_in_its_own_shape(signers: Signers, version: int) -> None:
    """tests/shared/roles/test_answer.py goes through all shapes; here each goes all the way, for two or three forms."""
    name, data = signers.sent(version)
    assert UntrustedPsbt.parse(data).version == version
    first = FORMS.index(signers.form) + 2 * version
    shapes = [SHAPES[(first + number) % len(SHAPES)] for number in range(len(signers.seeds))]
    signers.received(name, *(shape(data, seed) for shape, seed in zip(shapes, signers.seeds, strict=True)))


def test_one_answer_that_is_finished(signers: Signers) -> None:
    name, data = signers.sent(0)
    shapes = list(FINISHED.values())
    shape = shapes[FORMS.index(signers.form) % len(shapes)]
    signers.received(name, shape(finished(data, *signers.seeds)))


def test_a_transaction_is_an_answer(signers: Signers) -> None:
    name, data = signers.sent(2)
    signers.received(name, extracted(finished(data, *signers.seeds)))


def test_half_by_one_and_finished_by_another(signers: Signers) -> None:
    """Two of three: one sends its signature alone, another one a transaction with both; the same signatures, twice."""
    if len(signers.seeds) == 1:
        return
    name, data = signers.sent(2)
    signers.received(name, trimmed(data, signers.seeds[0]), extracted(finished(data, *signers.seeds)))


# what is no answer


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Signers:
    return Signers(tmp_path_factory.mktemp("answers") / "wpkh", "wpkh")


def changed(raw: bytes, **changes: object) -> bytes:
    from dataclasses import replace

    return replace(Transaction.parse(raw), **changes).serialize()  # type: ignore[arg-type]


def test_another_transaction_is_unknown(office: Signers) -> None:
    name, data = office.sent(0)
    raw = extracted(finished(data, 1))
    before = office.desk.events()
    with refused("answer-unknown", VerificationError):
        office.desk.receive(changed(raw, locktime=7))
    assert office.desk.events() == before
    assert office.desk.state(name) == "sent"


def test_a_transaction_without_signatures_is_no_answer(office: Signers) -> None:
    _, data = office.sent(0)
    with refused("answer-signed-nothing", VerificationError):
        office.desk.receive(UntrustedPsbt.parse(data).tx.serialize())


def test_a_signature_of_another_input_is_refused_whole(office: Signers) -> None:
    """Nothing of an answer is kept where any of it is wrong."""
    from dataclasses import replace

    name, data = office.sent(0)
    tx = Transaction.parse(extracted(finished(data, 1)))
    first, second = tx.inputs
    swapped = replace(tx, inputs=(replace(first, witness=(second.witness[0], first.witness[1])), second))
    before = office.desk.events()
    with refused("signature-invalid", VerificationError):
        office.desk.receive(swapped.serialize())
    assert office.desk.events() == before
    # one input of two: it is kept, and is not enough
    half = replace(tx, inputs=(first, replace(second, witness=())))
    assert not office.desk.receive(half.serialize()).complete
    with refused("quorum-incomplete", VerificationError):
        office.desk.broadcast(name)
    assert office.desk.receive(tx.serialize()).complete


def test_a_transaction_of_a_proposal_that_never_went_out_is_refused(office: Signers) -> None:
    coin = office.desk.node.add_coin(60, 60_000)
    made = office.desk.create(40_000, coins=(coin,))
    with refused("proposal-state", StateError):
        office.desk.receive(extracted(finished(made.verified.psbt.raw, 1)))


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "psbt-empty"),
        (b"01000000", "bytes-truncated"),
        (b"\2\0\0\0", "bytes-truncated"),
        (b"\2\0\0\0" + bytes(60), "transaction-without-inputs"),
        (b"0200000", "psbt-not-recognised"),
        (b"\3\0\0\0" + bytes(60), "psbt-not-recognised"),
        (b"psbt", "psbt-not-recognised"),
        (b"psbt\xff".hex().encode(), "psbt-hex-refused"),
        (b"psbt\xff".hex().upper().encode(), "psbt-hex-refused"),
        (b"02 00 00 00", "psbt-not-recognised"),
    ],
)
def test_what_is_neither_is_told_so(data: bytes, rule: str) -> None:
    with refused(rule, Malformed):
        read_answer(data)


def test_a_transaction_becomes_a_psbt_of_itself(office: Signers) -> None:
    _, data = office.sent(0)
    raw = extracted(finished(data, 1))
    answer = read_answer(raw)
    assert answer == read_answer(raw.hex().encode())
    assert answer.version == 0
    assert answer.tx == UntrustedPsbt.parse(data).tx
    assert extracted(answer) == raw


def test_a_request_of_version_2_says_the_same(office: Signers) -> None:
    """The request names the transaction, not the file: both versions carry one and the same envelope."""
    name, data = office.sent(0)
    again = office.desk.request(name, 2)
    first, second = UntrustedPsbt.parse(data), UntrustedPsbt.parse(again)
    assert (first.version, second.version) == (0, 2)
    assert first.tx == second.tx
    assert extract(first) == extract(second)
    assert to_version(second, 0).raw == first.raw
    assert not second.modifiable
    # and a Falconer signer answers in the version that it got
    answer = UntrustedPsbt.parse(office.desk.answer(again))
    assert office.desk.receive(answer.raw).complete


def test_the_coordinator_asks_for_a_second_opinion_too(
    office: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is proposed whose digests another library computes otherwise."""
    from embit.transaction import Transaction as EmbitTransaction

    real = EmbitTransaction.sighash_segwit
    coin = office.desk.node.add_coin(61, 60_000)
    monkeypatch.setattr(EmbitTransaction, "sighash_segwit", lambda *given: real(*given)[::-1])
    with refused("second-opinion-differs", VerificationError):
        office.desk.create(40_000, coins=(coin,))
