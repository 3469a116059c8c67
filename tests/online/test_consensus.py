"""Bitcoin Core's own script verification before a broadcast: what it takes and refuses, and what is said where it is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from falconer_online import broadcast as broadcasting
from falconer_online import consensus
from falconer_shared.bitcoin.script import read_pushes
from falconer_shared.bitcoin.transaction import Transaction, TxInput
from falconer_shared.errors import StateError, VerificationError
from falconer_shared.roles import finalize as finalizing
from falconer_shared.roles.finalize import FinalTransaction, finalize
from falconer_shared.verify.signatures import verify_signatures
from falconer_shared.verify.transaction import verify
from tests.online.desk import Desk
from tests.support.refusal import refused
from tests.support.treasury import FORMS, NOTHING_KNOWN, Payment, signed, wallet_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=FORMS)
def final(request) -> FinalTransaction:
    wallet = wallet_of(request.param)
    psbt = Payment(wallet).psbt()
    verified = verify(psbt, wallet, NOTHING_KNOWN)
    return finalize(verify_signatures(verified, signed(psbt, verified, (1, 3))))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk.make(tmp_path)
    made.node.add_coin(0, 400_000)
    return made


def signed_proposal(desk: Desk) -> str:
    name = desk.create(40_000).row.id
    desk.receive(desk.answer(desk.request(name)))
    return name


def altered(final: FinalTransaction, change: Callable[[Transaction], Transaction]) -> FinalTransaction:
    """As if the Finalizer had made a mistake and not noticed."""
    tx = change(final.tx)
    return FinalTransaction(final.signed, tx, tx.serialize(), finalizing._SEAL)


def with_input(tx: Transaction, number: int, change: Callable[[TxInput], TxInput]) -> Transaction:
    inputs = list(tx.inputs)
    inputs[number] = change(inputs[number])
    return replace(tx, inputs=tuple(inputs))


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def with_flipped_signature(each: TxInput) -> TxInput:
    """One bit of the S or s of the first signature."""
    if each.witness:
        place = next(number for number, item in enumerate(each.witness) if len(item) >= 64)
        witness = list(each.witness)
        witness[place] = flipped(witness[place], 50)
        return replace(each, witness=tuple(witness))
    signature = next(item for item in read_pushes(each.script_sig) if len(item) >= 64)
    return replace(each, script_sig=each.script_sig.replace(signature, flipped(signature, 50)))


def without_last_element(each: TxInput) -> TxInput:
    if each.witness:
        return replace(each, witness=each.witness[:-1])
    return replace(each, script_sig=b"")


def test_every_kind_of_script_passes(final):
    assert consensus.check_scripts(final) == consensus.kernel().version


def test_one_bit_of_a_signature(final):
    wrong = altered(final, lambda tx: with_input(tx, 1, with_flipped_signature))
    with refused("consensus-script-failed", VerificationError) as caught:
        consensus.check_scripts(wrong)
    assert caught.value.details["input"] == 1


def test_an_output_that_was_not_signed(final):
    def richer(tx: Transaction) -> Transaction:
        first = tx.outputs[0]
        return replace(tx, outputs=(replace(first, value=first.value + 1), *tx.outputs[1:]))

    with refused("consensus-script-failed", VerificationError):
        consensus.check_scripts(altered(final, richer))


def test_a_part_of_the_witness_or_script_sig_missing(final):
    with refused("consensus-script-failed", VerificationError):
        consensus.check_scripts(altered(final, lambda tx: with_input(tx, 0, without_last_element)))


def test_another_script_is_spent(final):
    spent = [(item.script_pubkey, int(item.amount)) for item in final.signed.verified.inputs]
    assert consensus._failing(consensus.kernel(), final.raw, spent) is None
    spent[0], spent[1] = (spent[1][0], spent[0][1]), (spent[0][0], spent[1][1])
    assert consensus._failing(consensus.kernel(), final.raw, spent) == 0


def test_another_amount_is_spent(final):
    """Every digest but the original one commits to it; taproot's, to those of the other inputs too."""
    spent = [(item.script_pubkey, int(item.amount)) for item in final.signed.verified.inputs]
    spent[1] = (spent[1][0], spent[1][1] + 1)
    wanted = {"pkh": None, "sh": None, "tr": 0}.get(final.signed.verified.wallet.name, 1)
    assert consensus._failing(consensus.kernel(), final.raw, spent) == wanted


def test_bytes_that_are_no_transaction(final):
    spent = [(item.script_pubkey, int(item.amount)) for item in final.signed.verified.inputs]
    for raw in (b"", final.raw[:-1], final.raw + b"\x00"):
        with refused("consensus-unusable", StateError):
            consensus._failing(consensus.kernel(), raw, spent)


# At the coordinator


def test_a_broadcast_says_what_verified_it(desk: Desk):
    done = desk.broadcast(signed_proposal(desk))
    assert done.consensus == consensus.kernel().version


def test_what_fails_is_not_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    name = signed_proposal(desk)
    monkeypatch.setattr(
        broadcasting,
        "finalize",
        lambda signed: altered(finalize(signed), lambda tx: with_input(tx, 0, with_flipped_signature)),
    )
    with refused("consensus-script-failed", VerificationError):
        desk.broadcast(name)
    assert not desk.node.mempool
    assert desk.state(name) == "signed"


def test_a_library_that_does_not_load_is_not_taken_for_none(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    name = signed_proposal(desk)
    monkeypatch.setitem(sys.modules, "pbk", None)
    with refused("consensus-unusable", StateError):
        desk.broadcast(name)
    assert not desk.node.mempool


def test_without_the_library_nothing_is_pretended(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(consensus, "DISTRIBUTION", "py-bitcoinkernel-that-nobody-installed")
    assert desk.broadcast(signed_proposal(desk)).consensus is None


# In a process of its own


def elsewhere(folder: Path, code: str, *, hide: bool) -> dict[str, object]:
    """What a new interpreter prints, with every installed package but, if so wanted, this one."""
    installed = Path(consensus.metadata.distribution(consensus.DISTRIBUTION).locate_file("")).resolve()
    for entry in installed.iterdir():
        if not (hide and entry.name.startswith(("pbk", "py_bitcoinkernel"))):
            (folder / entry.name).symlink_to(entry)
    places = [str(folder), *(str(ROOT / part / "src") for part in ("shared", "online"))]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


_STATUS = "import json; from falconer_online.cli.home import _consensus; print(json.dumps(_consensus()))"


def test_status_where_it_is_not_installed(tmp_path: Path):
    said = elsewhere(tmp_path, _STATUS, hide=True)
    assert (said["installed"], said["usable"], said["version"]) == (False, False, None)
    assert str(said["message"]).startswith("not installed")


def test_status_where_it_is_installed(tmp_path: Path):
    said = elsewhere(tmp_path, _STATUS, hide=False)
    assert (said["installed"], said["usable"], said["version"]) == (True, True, consensus.kernel().version)


def test_nobody_loads_it_before_a_broadcast(tmp_path: Path):
    code = (
        "import json, sys; import falconer_online.broadcast, falconer_online.cli.root, falconer_online.cli.answers;"
        " print(json.dumps({'loaded': 'pbk' in sys.modules}))"
    )
    assert elsewhere(tmp_path, code, hide=False) == {"loaded": False}


def test_status_where_it_is_broken(monkeypatch: pytest.MonkeyPatch):
    from falconer_online.cli.home import _consensus

    monkeypatch.setitem(sys.modules, "pbk", None)
    said = _consensus()
    assert (said["installed"], said["usable"]) == (True, False)
    assert "does not load" in str(said["message"])
