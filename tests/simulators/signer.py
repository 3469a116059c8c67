"""The signer under attack: the shipped judging and signing code, over a state that lies in memory.

`read_request`, `judge`, `review` and `sign` are the program's own, in its order. What is left out is the disk: the journal's
rows are appended here as `journal.reserve` and `journal.conclude` write them; `DiskSigner` keeps a real one, for fewer requests.
What a state gives again and again, the wallet and the policy in force, is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import pyrage

from falconer_offline import session
from falconer_offline.keys.sealed import Identity
from falconer_offline.review import Judged, judge, read_request, reasons_of, review
from falconer_offline.sign import sign
from falconer_offline.state import home as homes
from falconer_offline.state import journal, records
from falconer_offline.state.store import State
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import FalconerError
from falconer_shared.exchange.lines import RuleLine
from falconer_shared.exchange.receipt import SignedReceipt
from falconer_shared.exchange.response import build_response
from falconer_shared.policy.signed import InstalledPolicy
from falconer_shared.units import Amount
from falconer_shared.wallet.registration import RegisteredWallet
from tests.offline.office import Office, Ring
from tests.simulators.houses import OUR_SEED, Treasury, build, draft_of
from tests.support.policies import SshKey


class Willing:
    """Confirms whatever the page says: the worst person there can be at the machine."""

    def __init__(self) -> None:
        self.total_shown: int | None = None
        self.endings: list[str] = []

    def show(self, judged: Judged, state: State) -> None:
        pass

    def total(self, expected: Amount) -> None:
        self.total_shown = int(expected)

    def ending(self, of: str, expected: str) -> None:
        self.endings.append(expected)


@dataclass(frozen=True)
class Outcome:
    """What came of one request: the ids of a refusal, or an answer."""

    rules: tuple[str, ...]
    answer: bytes | None = None
    receipt: SignedReceipt | None = None
    spent: int = 0
    person: Willing | None = None


class Signer:
    """One machine with its journal."""

    def __init__(self, treasury: Treasury) -> None:
        self.treasury = treasury
        self.state = treasury.state

    def submit(self, request: bytes, now: int) -> Outcome:
        """As `falconer-offline sign`, with a person who says yes. Anything but a typed refusal comes through."""
        try:
            return self._sign(request, now)
        except FalconerError as refused:
            return Outcome(tuple(reason.rule for reason in reasons_of(refused)))

    def _sign(self, request: bytes, now: int) -> Outcome:
        judged = judge(self.state, read_request(self.state, request), now)
        person = Willing()
        reviewed = review(judged, self.state, person)
        reserved = self._reserve(judged, now)
        done = sign(reviewed, reserved, self.treasury.keys)
        receipt = self.treasury.machine.sign_receipt(
            session._receipt(
                judged.readable,
                len(self.state.rows["receipts"]) + 1,
                1,
                "00" * 32,
                now,
                rules=[RuleLine.of(verdict) for verdict in judged.approved.verdicts],
                reviewed=reviewed,
            )
        )
        self._conclude(judged, receipt)
        answer = build_response(judged.verified.tx, done.signatures, receipt, judged.readable.psbt.version)
        return Outcome((), answer.raw, receipt, int(judged.verified.spent), person)

    def _reserve(self, judged: Judged, now: int) -> journal.Reservation:
        entry = replace(judged.approved.entry, at=now)
        number = len(self.state.rows["spends"])
        wallet_id = judged.readable.wallet.wallet_id
        row = (
            number, wallet_id, entry.anchor.text(), entry.unsigned_hash, int(entry.spent), records.pack_paid(entry.paid),
            records.pack_scripts(entry.own), int(entry.approved), entry.requester, entry.strategy, entry.decided,
            entry.at, records.SIGNED,
        )  # fmt: skip
        facts = [
            (name, str(now) if name == "time-mark" else value) for name, value in self.state.rows["facts"]
        ]
        self._write(spends=(*self.state.rows["spends"], row), facts=tuple(facts))
        return journal.Reservation(entry.unsigned_hash, wallet_id, number, self.state, seal=journal._SEAL)

    def _conclude(self, judged: Judged, receipt: SignedReceipt) -> None:
        wallet_id = judged.readable.wallet.wallet_id
        highest = {branch: index for _, branch, index in self.state.rows["indexes"]}
        for place in session._places(judged):
            highest[place.branch] = max(int(highest.get(place.branch, -1) or 0), place.index)  # type: ignore[arg-type]
        kept = (wallet_id, receipt.receipt.number, receipt.receipt.text, receipt.signature.raw)
        self._write(
            indexes=tuple((wallet_id, branch, index) for branch, index in sorted(highest.items())),
            receipts=(*self.state.rows["receipts"], kept),
        )

    def _write(self, **tables: tuple[tuple[object, ...], ...]) -> None:
        self.state = replace(self.state, rows={**self.state.rows, **tables})  # type: ignore[dict-item]


@contextmanager
def remembered() -> Iterator[None]:
    """Within it, a wallet and a policy are built from their rows once a process and not once a request."""
    wallet_by_id, policy = records.wallet_by_id, records.policy

    @lru_cache(maxsize=64)
    def wallet_of(wallets: tuple[object, ...], wallet_id: str, box: _Box) -> RegisteredWallet:
        return wallet_by_id(box.state, wallet_id)

    @lru_cache(maxsize=128)
    def policy_of(policies: tuple[object, ...], wallet_id: str, box: _Box) -> InstalledPolicy:
        return policy(box.state, wallet_by_id(box.state, wallet_id))

    records.wallet_by_id = lambda state, wallet_id: wallet_of(state.rows["wallets"], wallet_id, _Box(state))
    records.policy = lambda state, wallet: policy_of(state.rows["policies"], wallet.wallet_id, _Box(state))
    try:
        yield
    finally:
        records.wallet_by_id, records.policy = wallet_by_id, policy


class _Box:
    """A state on its way past a cache whose key it is no part of."""

    def __init__(self, state: State) -> None:
        self.state = state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Box)

    def __hash__(self) -> int:
        return 0


class DiskSigner:
    """The whole offline session: a home with its SQLite state, sealed keys, journal and receipts, opened for every request."""

    def __init__(self, folder: Path, form: str, shape: str) -> None:
        identity = Identity(pyrage.x25519.Identity.generate())
        admins = [SshKey.of(name).public for name in ("admin-a", "admin-b")]
        machine = homes.create(folder, Network.REGTEST, "north", admins, identity, 1_700_000_000)
        self.treasury = build(form, shape, machine)
        registered = self.treasury.registered
        self._office = Office(folder, identity, machine, registered, draft_of(form, shape, machine.public))
        self._office.add_keys([OUR_SEED], 1_700_000_000)
        self._office.register(registered, 1_700_000_000)
        self._office.install(self._office.draft, 1_700_000_000)
        self.receipts = 0

    def submit(self, request: bytes, now: int) -> Outcome:
        """As `falconer-offline sign`: a refusal of a readable request is journaled, and answered with a receipt."""
        readable = None
        state = self._office.state()
        try:
            readable = read_request(state, request)
            judged = judge(state, readable, now)
            person = Willing()
            done = session.sign_session(state, judged, person, Ring(self._office), lambda: now)
        except FalconerError as refused:
            rules = tuple(reason.rule for reason in reasons_of(refused))
            if readable is None or rules == ("clock-behind-journal",):
                return Outcome(rules)
            said = session.refuse_session(self._office.state(), readable, refused, self._office.machine, now)
            return Outcome(rules, receipt=said.receipt)
        return Outcome((), done.psbt.raw, done.receipt, int(judged.verified.spent), person)
