"""A little of the campaign in every run of the tests: no wrong signature, no untyped error, no good request refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.campaigns.campaign import find
from tests.simulators.campaign import BLOCK, EDITS, Game, Hostile, Tally, prepared
from tests.simulators.houses import SHAPES, WALLETS, names
from tests.simulators.signer import DiskSigner


def told(findings: object) -> str:
    return "\n".join(f"case {each.case}: {each.summary}" for each in findings)  # type: ignore[attr-defined]


def test_no_wrong_signature_and_nothing_but_typed_refusals() -> None:
    game = Hostile()
    findings = game.run(2, 0, 700)
    assert not findings, told(findings)
    assert len(game.tally.refusals) > 60
    assert game.tally.signed > 60


def test_honest_requests_are_signed_unless_the_policy_says_no() -> None:
    """With no edits at all the oracle and the signer agree on every request, both ways, under every wallet and policy."""
    game = Hostile(edits=("unknown_fields", "shuffle_fields", "other_version", "xpubs"))
    findings = game.run(3, 0, 400)
    assert not findings, told(findings)
    assert game.tally.honest["signed"] > 20
    assert game.tally.harmless["signed"] > 60
    assert not game.tally.harmless["refused although right"]


def test_a_case_is_the_same_alone_as_in_its_block() -> None:
    whole, part = Tally(), Tally()
    one, other = Hostile(), Hostile()
    one.tally, other.tally = whole, part
    one.run(4, 0, 2 * BLOCK)
    for first in (0, 17, 61):
        other.run(4, first, {0: 17, 17: 44, 61: 19}[first])
    assert (whole.cases, whole.signed, whole.refusals, whole.edited) == (
        part.cases,
        part.signed,
        part.refusals,
        part.edited,
    )


def test_every_wallet_and_policy_is_attacked() -> None:
    found = names()
    assert {form for form, _ in found} == set(WALLETS)
    assert {shape for _, shape in found} == set(SHAPES)
    assert len(EDITS) > 75


def test_the_framework_finds_it() -> None:
    assert isinstance(find("hostile"), Hostile)


@pytest.mark.parametrize(("form", "shape"), [("wpkh", "tiers"), ("wsh", "many")])
def test_whole_sessions(tmp_path: Path, form: str, shape: str) -> None:
    """The same attacker against a real home: SQLite, journal, sealed keys, receipts of refusals too."""
    signer = DiskSigner(tmp_path / "home", form, shape)
    tally = Tally()
    with prepared():
        game = Game(signer.treasury, random.Random(f"{form} {shape}"), list(EDITS.values()), signer)
        wrong = [game.step(random.Random(f"{form} {case}"), tally) for case in range(60)]
    assert not [each for each in wrong if each]
    assert tally.signed > 5
    assert tally.refusals
