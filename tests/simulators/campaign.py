"""The campaign: random hostile requests against the shipped signer, every signature of which the oracle must call right.

Cases come in blocks of `BLOCK`: one treasury, one journal, one attacker who remembers all that he sent and got. A case is one
request; what it meets depends on the cases of its block before it, so these are run again where a run begins inside a block. Its
own chance is its own.

    .venv/bin/python -m tests.campaigns hostile --seed 1 --minutes 30
    .venv/bin/python -m tests.simulators.report --seed 1 --cases 20000      what was refused, by id

A finding is: a signature that the oracle objects to; anything raised that is no typed refusal; an honest request that was refused
and that the oracle has nothing against.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module

from falconer_shared.exchange.receipt import SignedReceipt
from falconer_shared.sshsig import key as ssh_keys
from tests.campaigns.campaign import Finding, random_of
from tests.simulators import signer as signers
from tests.simulators.draft import Desk, Draft
from tests.simulators.edits import EDITS, Edit
from tests.simulators.houses import NOON, Treasury, names, treasury
from tests.simulators.oracle import Oracle
from tests.simulators.signer import DiskSigner, Outcome, Signer
from tests.simulators.truth import digest_of

for _home in ("psbt", "around", "request"):
    # each registers its edits
    import_module(f"tests.simulators.edits_{_home}")

BLOCK = 40
"""Requests to one journal."""

_STEPS = (0, 1, 45, 599, 600, 1_800, 7_200, 30_000, 43_200, 86_399, 86_400, 86_401, 172_800, 604_799, 604_800)
_STEP_WEIGHTS = (4, 6, 8, 3, 3, 8, 8, 8, 4, 2, 2, 2, 3, 1, 1)

_COUNTS = (0, 1, 2, 3, 4, 6)
_COUNT_WEIGHTS = (10, 40, 26, 14, 7, 3)


@dataclass
class Tally:
    """What came of many cases."""

    cases: int = 0
    signed: int = 0
    void: int = 0
    honest: Counter[str] = field(default_factory=Counter)
    harmless: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    edited: Counter[str] = field(default_factory=Counter)
    signed_with: Counter[str] = field(default_factory=Counter)


class Hostile:
    """The numbered campaign. Tests narrow it down: to some treasuries, to some levels of edits."""

    name = "hostile"
    aim = 3_000_000

    def __init__(
        self, treasuries: Sequence[tuple[str, str]] | None = None, edits: Sequence[str] | None = None
    ) -> None:
        self.treasuries = tuple(treasuries or names())
        self.edits = [EDITS[name] for name in edits or EDITS]
        self.tally = Tally()

    def run(self, seed: int, first: int, count: int) -> Sequence[Finding]:
        with prepared():
            return [
                finding
                for block in range(first // BLOCK, (first + count - 1) // BLOCK + 1)
                for finding in self.block(seed, block, first, first + count)
            ]

    def block(self, seed: int, number: int, first: int, end: int) -> Iterator[Finding]:
        """The cases of a block up to `end`; findings from `first` on."""
        chance = random_of("hostile block", seed, number)
        game = Game(treasury(*chance.choice(self.treasuries)), chance, self.edits)
        for case in range(number * BLOCK, min((number + 1) * BLOCK, end)):
            summary = game.step(random_of(self.name, seed, case), self.tally if case >= first else Tally())
            if summary is not None and case >= first:
                yield Finding(case, summary)


class Game:
    """One block: an attacker, a signer, and the oracle that watches."""

    def __init__(
        self,
        house: Treasury,
        chance: random.Random,
        edits: Sequence[Edit],
        signer: Signer | DiskSigner | None = None,
    ) -> None:
        self.desk = Desk(house, chance, NOON + chance.randrange(14) * 43_200)
        self.time = self.desk.now
        self.signer = signer or Signer(house)
        self.oracle = Oracle(
            house.wallet, house.rules, self.desk.chain, self.desk.given, "north", house.position
        )
        self.edits, self.weights = edits, [each.weight for each in edits]
        self.following = next((each for each in edits if each.name == "follow"), None)
        # some attackers only ever ask for little; some never get an approval, some always
        self.size = chance.choice((0.25, 0.6, 0.8, 1.0))
        self.hurry = chance.choice((True, False, False))
        self.tainted = False

    def step(self, chance: random.Random, tally: Tally) -> str | None:
        """One request. What is wrong with what came of it, in a sentence; None if nothing is."""
        desk = self.desk
        desk.chance = chance
        self._tick(chance)
        earlier = self._earlier(chance)
        draft = earlier or desk.honest(self.size)
        untouched = earlier is None and chance.random() < 0.12
        chosen = [] if untouched else self._edit(draft, chance)
        data = draft.seal()
        replayed = self._replay(chance)
        fresh = untouched and replayed is None
        data = replayed or data
        outcome = self._submit(data)
        label = "+".join(each.name for each in chosen) or "honest"
        words = f"{self.signer.treasury.name} {label}: "
        tally.cases += 1
        for each in chosen:
            tally.edited[each.name] += 1
        desk.past = [*desk.past[-11:], (draft, data)]
        if isinstance(outcome, str):
            return words + outcome
        tally.refusals.update(outcome.rules)
        if outcome.answer is None and outcome.receipt is not None:
            self._receipt(outcome.receipt)
        # what goes on from an earlier request has that one's edits in it
        harmless = (
            bool(chosen) and earlier is None and replayed is None and all(each.harmless for each in chosen)
        )
        for counter, counted in ((tally.honest, fresh), (tally.harmless, harmless)):
            if counted:
                counter["signed" if outcome.answer else "refused"] += 1
        if outcome.answer is not None:
            tally.signed += 1
            tally.signed_with.update(each.name for each in chosen)
            wrong = self._signed(data, outcome, tally)
            return words + wrong if wrong else None
        if (fresh or harmless) and not self.tainted:
            verdict = self.oracle.proposal(data, desk.now)
            if not verdict.objections and not fresh:
                tally.harmless["refused although right"] += 1
            elif not verdict.objections:
                return f"{words}refused with {', '.join(outcome.rules)} and nothing is wrong with it"
        return None

    def _tick(self, chance: random.Random) -> None:
        ahead = chance.choices(
            _STEPS[:6] if self.hurry else _STEPS, _STEP_WEIGHTS[:6] if self.hurry else _STEP_WEIGHTS
        )[0]
        self.time += ahead
        # now and then a clock is behind, and right again at the next request
        self.desk.now = self.time - (chance.choice((1, 3_600, 90_000)) if chance.random() < 0.03 else 0)

    def _earlier(self, chance: random.Random) -> Draft | None:
        """An earlier request to go on from, now and then."""
        if not self.desk.past or chance.random() >= 0.25:
            return None
        draft = chance.choice(self.desk.past)[0].copy()
        self._again(draft, chance)
        return draft

    def _again(self, draft: Draft, chance: random.Random) -> None:
        """An earlier request brought up to date: other fee, other coins, new window of time, new approvals of it."""
        desk = self.desk
        for place, line in enumerate(draft.request):
            if line[0] == "receipt":
                draft.request[place] = ["receipt", desk.mark(line[1].split(" ")[0])]
        if draft.outputs and chance.random() < 0.6:
            found = max(draft.outputs, key=lambda each: each.sats)
            found.sats -= chance.choice((0, 1, 200, 1_500))
        if chance.random() < 0.3:
            desk.collect(draft, chance.choice((1, 2, 3)))
        if chance.random() < 0.5:
            desk.countersign(draft)

    def _edit(self, draft: Draft, chance: random.Random) -> list[Edit]:
        count = chance.choices(_COUNTS, _COUNT_WEIGHTS)[0]
        chosen = chance.choices(self.edits, self.weights, k=count)
        if any(each.level == "transaction" for each in chosen) and self.following and chance.random() < 0.4:
            # whoever changes a transaction has an intent for it
            chosen.append(self.following)
        for each in chosen:
            each.act(draft, self.desk, chance)
        return chosen

    def _replay(self, chance: random.Random) -> bytes | None:
        """Bytes that crossed the gap before, again."""
        return chance.choice(self.desk.past)[1] if self.desk.past and chance.random() < 0.015 else None

    def _receipt(self, receipt: SignedReceipt) -> None:
        """The signer wrote something down, and the attacker gets to see it."""
        self.oracle.wrote(digest_of(receipt.receipt.text), self.desk.now)
        self.desk.receipts.append(receipt.value)

    def _submit(self, data: bytes) -> Outcome | str:
        try:
            return self.signer.submit(data, self.desk.now)
        except Exception as mistake:  # noqa: BLE001 - whatever is no typed refusal is what we look for
            return f"raised {type(mistake).__name__}: {mistake}"

    def _signed(self, data: bytes, outcome: Outcome, tally: Tally) -> str | None:
        assert outcome.answer is not None
        assert outcome.receipt is not None
        try:
            verdict = self.oracle.answer(data, outcome.answer, self.desk.now)
        except Exception as mistake:  # noqa: BLE001 - what the oracle cannot read was not right to sign
            self._receipt(outcome.receipt)
            self.tainted = True
            return f"the oracle cannot read what was signed: {type(mistake).__name__}: {mistake}"
        wrong = verdict.objections + _shown(outcome, data)
        if verdict.void:
            tally.void += 1
            # nothing can be spent by it, so nothing is held against it; that it was approved, if it was, is remembered
            verdict, wrong = replace(verdict, entry=verdict.entry and replace(verdict.entry, spent=0)), []
        self.tainted |= verdict.void or verdict.entry is None or verdict.entry.spent != outcome.spent
        self.oracle.signed(verdict)
        self._receipt(outcome.receipt)
        return "; ".join(wrong) if wrong else None


def _shown(outcome: Outcome, data: bytes) -> list[str]:
    """What the person at the machine was made to type, against the intent."""
    from tests.simulators import wire
    from tests.simulators.oracle_reading import Text

    assert outcome.person is not None
    intent = Text.read(wire.ours(wire.maps_of(data)[0], wire.INTENT)[0][1])
    pays = [line.split(" ") for line in intent.all("pay")]
    total = sum(int(sats) for sats, _ in pays) if pays else None
    endings = [address for _, address in pays] if 1 <= len(pays) <= 3 else [digest_of(intent.raw)]
    fine = outcome.person.total_shown == total and outcome.person.endings == endings
    return [] if fine else ["the person confirmed something else than the intent says"]


@contextmanager
def prepared() -> Iterator[None]:
    """Within it, what depends on nothing but its argument is computed once: points of public keys, wallets, policies in force."""
    check_point, known = ssh_keys.check_point, set[bytes]()

    def remembered(point: bytes, *rest: object) -> None:
        if point not in known:
            check_point(point, *rest)
            known.add(point)

    with signers.remembered():
        ssh_keys.check_point = remembered  # type: ignore[assignment]
        try:
            yield
        finally:
            ssh_keys.check_point = check_point


def campaign(_name: str) -> Hostile:
    return Hostile()
