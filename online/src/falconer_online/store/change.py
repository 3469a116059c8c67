"""Writing the store: every change together with its audit record, or neither.

A `Change` lives inside one immediate transaction. Each method writes rows and the record of it; there is no
way to write without one, and a change that recorded nothing does not commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from falconer_online.states import HOLDS_COINS, NEVER_SIGNED, UNPAID, ProposalState, check_move
from falconer_online.store import schema
from falconer_online.store.rows import LabelRow, ProposalRow, ReceiptRow, SignatureRow, WalletRow
from falconer_online.store.view import View
from falconer_shared.audit.record import AuditRecord, Fact
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.errors import StateError
from falconer_shared.exchange.receipt import Receipt, check_no_fork
from falconer_shared.policy.history import SpendEntry

_MAX_KEYS_RECORDED = 40
"""Public keys named in one audit record; a transaction with more inputs has them all in the store."""


class Change(View):
    """The store inside one write transaction, at the time `now`."""

    def __init__(self, connection: sa.Connection, now: int) -> None:
        super().__init__(connection)
        self.now = now
        self.unrecorded = False

    def record(self, event: str, subject: str | None = None, **facts: Fact) -> None:
        """Append one record to the audit log."""
        number = self.audit_size()
        known = facts if subject is None else {**facts, "subject": subject}
        self._insert(
            schema.audit,
            number=number,
            subject=subject,
            line=AuditRecord(number, self.now, event, known).line,
        )
        self.unrecorded = False

    def _insert(self, table: sa.Table, **values: Any) -> None:  # noqa: ANN401  # column values of every kind
        self._write(sa.insert(table).values(**values))

    def _write(self, statement: sa.Insert | sa.Update | sa.Delete) -> None:
        self.unrecorded = True
        self._connection.execute(statement)

    # registrations

    def pin_administrators(self, administrators: Mapping[str, str], coordinator: str, network: str) -> None:
        for name, key in sorted(administrators.items()):
            self._insert(schema.administrators, name=name, public_key=key)
        self.record(
            "initialised",
            network=network,
            coordinator=coordinator,
            administrators="; ".join(f"{name} {key}" for name, key in sorted(administrators.items())),
        )

    def add_wallet(self, row: WalletRow) -> None:
        self._insert(
            schema.wallets,
            wallet_id=row.wallet_id,
            name=row.name,
            descriptor=row.descriptor,
            registered_at=self.now,
            next_receive=row.next_receive,
            highest_receive=row.highest_receive,
            highest_change=row.highest_change,
        )
        self.record("wallet-registered", row.name, wallet=row.wallet_id, descriptor=row.descriptor)

    def add_policy(
        self,
        wallet_id: str,
        version: int,
        digest: str,
        text: bytes,
        signatures: Sequence[bytes],
        names: Sequence[str],
    ) -> None:
        self._insert(
            schema.policies,
            wallet_id=wallet_id,
            version=version,
            digest=digest,
            text=text,
            installed_at=self.now,
        )
        for number, signature in enumerate(signatures):
            self._insert(
                schema.policy_signatures,
                wallet_id=wallet_id,
                version=version,
                number=number,
                signature=signature,
            )
        self.record(
            "policy-installed", wallet=wallet_id, version=version, digest=digest, signed_by=" ".join(names)
        )

    def hand_out_address(self, wallet: WalletRow, index: int, address: str) -> None:
        """Remember that a receive address was given to somebody."""
        table = schema.wallets
        self._write(
            sa.update(table)
            .where(table.c.wallet_id == wallet.wallet_id)
            .values(
                next_receive=max(wallet.next_receive, index + 1),
                highest_receive=max(wallet.highest_receive, index),
            )
        )
        self.record("address-handed-out", wallet.name, index=index, address=address)

    def extend_known(self, wallet_id: str, highest: Mapping[int, int]) -> None:
        """Indexes per branch that are used from now on. Their record is the move that goes with them."""
        table = schema.wallets
        for branch, column in ((0, table.c.highest_receive), (1, table.c.highest_change)):
            index = highest.get(branch, -1)
            self._write(
                sa.update(table)
                .where(table.c.wallet_id == wallet_id, column < index)
                .values({column.name: index})
            )

    # proposals

    def add_proposal(
        self,
        values: Mapping[str, Any],
        state: ProposalState,
        outpoints: Iterable[OutPoint],
        entry: SpendEntry,
        highest: Mapping[int, int],
    ) -> ProposalRow:
        """A new proposal, its coins held and its spend reserved.

        Raises:
            StateError: `coin-already-held`, `coin-frozen`.
        """
        held = self.held(values["wallet_id"])
        frozen = self.frozen(values["wallet_id"])
        self._insert(schema.proposals, state=state.value, created_at=self.now, **values)
        proposal_id, wallet_id = values["id"], values["wallet_id"]
        for outpoint in outpoints:
            if outpoint in frozen:
                raise StateError(
                    "coin-frozen",
                    f"the node chose {outpoint.text()}, which is frozen; it may have lost its locks",
                    remedy="repeat: falconer status sets the locks again",
                )
            if outpoint in held:
                raise StateError(
                    "coin-already-held",
                    f"the node chose {outpoint.text()}, which proposal {held[outpoint]} holds; it may have lost its locks",
                    remedy="repeat: falconer status sets the locks again",
                )
            self._hold(self.proposal(proposal_id), outpoint)
        self._insert(
            schema.spends,
            proposal_id=proposal_id,
            wallet_id=wallet_id,
            released=False,
            **_spend_values(entry),
        )
        self._keep_scripts(proposal_id, entry)
        self.extend_known(wallet_id, highest)
        self.record(
            "proposal-created",
            proposal_id,
            state=state.value,
            unsigned=values["unsigned_hash"],
            intent=values["intent"].decode("ascii"),
            purpose=values["purpose"],
            **{name: values[name] for name in ("replaces", "accelerates") if values.get(name)},
        )
        return self.proposal(proposal_id)

    def _hold(self, row: ProposalRow, outpoint: OutPoint) -> bool:
        """Hold a coin; False where another family has it."""
        locks, holds = schema.coin_locks, schema.coin_holds
        name = outpoint.text()
        lock = self.rows(sa.select(locks.c.family).where(locks.c.outpoint == name))
        if lock and lock[0]["family"] != row.family:
            return False
        if not lock:
            self._insert(locks, outpoint=name, wallet_id=row.wallet_id, family=row.family)
        mine = sa.select(holds.c.outpoint).where(holds.c.outpoint == name, holds.c.proposal_id == row.id)
        if not self.rows(mine):
            self._insert(holds, outpoint=name, proposal_id=row.id)
        return True

    def share_coins(self, row: ProposalRow, outpoints: Iterable[OutPoint]) -> None:
        """Hold coins that others of the family hold, too. Its record is that of the proposal.

        Raises:
            StateError: `coin-already-held`.
        """
        for outpoint in outpoints:
            if not self._hold(row, outpoint):
                raise StateError(
                    "coin-already-held",
                    f"another proposal took {outpoint.text()} meanwhile",
                    remedy="repeat: falconer status looks at the coins again",
                )
        self.unrecorded = False

    def _let_go(self, row: ProposalRow) -> None:
        locks, holds = schema.coin_locks, schema.coin_holds
        self._write(sa.delete(holds).where(holds.c.proposal_id == row.id))
        self._write(sa.delete(locks).where(locks.c.outpoint.not_in(sa.select(holds.c.outpoint))))

    def replace_spend(self, proposal_id: str, entry: SpendEntry) -> None:
        """Judge by what was finally approved, from the time of that judgement on. Its record is the move that
        follows.
        """
        table = schema.spends
        self._write(sa.update(table).where(table.c.proposal_id == proposal_id).values(**_spend_values(entry)))
        scripts = schema.spend_scripts
        self._write(sa.delete(scripts).where(scripts.c.proposal_id == proposal_id))
        self._keep_scripts(proposal_id, entry)

    def _keep_scripts(self, proposal_id: str, entry: SpendEntry) -> None:
        for script in sorted({*entry.paid, *entry.own}):
            self._insert(
                schema.spend_scripts, proposal_id=proposal_id, script=script.hex(), own=script in entry.own
            )

    def move(
        self, row: ProposalRow, to: ProposalState, *, reason: str | None = None, **columns: int | str | bytes
    ) -> ProposalRow:
        """One move of the transition table; coins and history follow it.

        Raises:
            StateError: `proposal-state`.
        """
        current = self.proposal(row.id)
        check_move(row.id, current.state, to)
        values = {**columns, "state": to.value, **({"reason": reason} if reason is not None else {})}
        table = schema.proposals
        self._write(sa.update(table).where(table.c.id == row.id).values(**values))
        if to in UNPAID and current.state in NEVER_SIGNED:
            spends = schema.spends
            self._write(sa.update(spends).where(spends.c.proposal_id == row.id).values(released=True))
        if to not in HOLDS_COINS:
            self._let_go(row)
        shown = {name: value for name, value in columns.items() if isinstance(value, str | int)}
        if reason is not None:
            shown["reason"] = reason
        self.record("proposal-moved", row.id, **{**shown, "from": current.state.value, "to": to.value})
        return self.proposal(row.id)

    def hold_again(self, row: ProposalRow, outpoints: Iterable[OutPoint]) -> None:
        """After a reorganisation took a confirmation back: the coins are held as before. Its record is the
        move before it.
        """
        for outpoint in outpoints:
            # what another proposal took meanwhile is gone: this one can no longer confirm, and will be seen to fail
            self._hold(row, outpoint)

    def set_replaced(self, row: ProposalRow, by: str) -> None:
        """That another of its family was sent in its place."""
        table = schema.proposals
        if row.replaced_by != by:
            self._write(sa.update(table).where(table.c.id == row.id).values(replaced_by=by))
            self.record("proposal-replaced", row.id, by=by)

    def take_over_approvals(self, row: ProposalRow, of: ProposalRow) -> None:
        """The approvals of another proposal, which were given for the very same intent."""
        if row.intent != of.intent:
            raise ValueError("approvals hold for one intent only")
        table = schema.approvals
        for given in self.rows(sa.select(table).where(table.c.proposal_id == of.id)):
            self.add_approval(row, given["name"], given["public_key"], given["signature"])

    def set_confirmations(self, row: ProposalRow, confirmations: int) -> None:
        """A figure for lists, seen at the node and not recorded: the moves are."""
        table = schema.proposals
        self._write(sa.update(table).where(table.c.id == row.id).values(confirmations=confirmations))
        self.unrecorded = False

    def refuse_proposal(self, requester: str, payments: Sequence[str], rules: Sequence[str]) -> None:
        """That somebody asked for a payment which was refused."""
        self.record(
            "proposal-refused", requester=requester, payments="; ".join(payments), rules=" ".join(rules)
        )

    # coins and notes

    def freeze_coin(self, wallet: WalletRow, outpoint: OutPoint, reason: str) -> None:
        """Keep a coin out of proposals from now on."""
        self._insert(
            schema.frozen_coins,
            outpoint=outpoint.text(),
            wallet_id=wallet.wallet_id,
            reason=reason,
            frozen_at=self.now,
        )
        self.record("coin-frozen", wallet.name, coin=outpoint.text(), reason=reason)

    def unfreeze_coin(self, wallet: WalletRow, outpoint: OutPoint) -> None:
        table = schema.frozen_coins
        self._write(sa.delete(table).where(table.c.outpoint == outpoint.text()))
        self.record("coin-unfrozen", wallet.name, coin=outpoint.text())

    def set_label(self, row: LabelRow, *, recorded: bool = True) -> None:
        """Write a label over the one that was there; `recorded` is False where one record speaks for many."""
        table = schema.labels
        self._write(sa.delete(table).where(table.c.type == row.type, table.c.ref == row.ref))
        if row.label or row.spendable is not None:
            self._insert(
                table, type=row.type, ref=row.ref, label=row.label, origin=row.origin,
                spendable=row.spendable, changed_at=self.now,
            )  # fmt: skip
        if recorded:
            self.record("label-set", type=row.type, ref=row.ref, label=row.label)

    # answers

    def set_needed(self, row: ProposalRow, needed: int) -> None:
        """How many approvals the last judgement asked for: a figure for lists, judged anew whenever it matters."""
        table = schema.proposals
        if row.approvals_needed != needed:
            self._write(sa.update(table).where(table.c.id == row.id).values(approvals_needed=needed))
            self.unrecorded = False

    def add_approval(self, row: ProposalRow, name: str, public_key: str, signature: bytes) -> None:
        table = schema.approvals
        known = self.rows(
            sa.select(table.c.public_key).where(
                table.c.proposal_id == row.id, table.c.public_key == public_key
            )
        )
        if known:
            return
        self._insert(
            table,
            proposal_id=row.id,
            public_key=public_key,
            name=name,
            signature=signature,
            received_at=self.now,
        )
        self.record("approval-received", row.id, approver=name, key=public_key)

    def add_signatures(self, row: ProposalRow, signatures: Iterable[SignatureRow]) -> int:
        """Bitcoin signatures that verified; how many were new. One that is there already is never replaced."""
        known = {(each.input, each.public_key) for each in self.signatures(row.id)}
        new = [each for each in signatures if (each.input, each.public_key) not in known]
        for each in new:
            self._insert(
                schema.signatures,
                proposal_id=row.id,
                input=each.input,
                public_key=each.public_key,
                signature=each.signature,
                received_at=self.now,
            )
        if new:
            keys = sorted({each.public_key.hex() for each in new})
            self.record(
                "signatures-received", row.id, count=len(new), keys=" ".join(keys[:_MAX_KEYS_RECORDED])
            )
        return len(new)

    def add_receipt(self, row: ReceiptRow, verdict: str) -> bool:
        """A receipt that verified; False when it was known. Another one under the same number is a fork.

        Raises:
            AuditError: `receipt-fork`.
        """
        for known in self.receipts(signer=row.signer, wallet_id=row.wallet_id, since=row.number):
            if known.number != row.number:
                break
            check_no_fork(Receipt.parse(known.text), Receipt.parse(row.text))
            return False
        self._insert(
            schema.receipts,
            signer=row.signer,
            wallet_id=row.wallet_id,
            number=row.number,
            digest=row.digest,
            text=row.text,
            signature=row.signature,
            proposal_id=row.proposal_id,
            received_at=self.now,
        )
        self.record(
            "receipt-received",
            row.proposal_id,
            signer=row.signer,
            number=row.number,
            digest=row.digest,
            verdict=verdict,
        )
        return True


def _spend_values(entry: SpendEntry) -> dict[str, Any]:
    return {
        "anchor": entry.anchor.text(),
        "unsigned_hash": entry.unsigned_hash,
        "spent": int(entry.spent),
        "paid": json.dumps({script.hex(): int(sats) for script, sats in sorted(entry.paid.items())}),
        "approved": entry.approved,
        "requester": entry.requester,
        "strategy": entry.strategy,
        "decided": entry.decided,
        "at": entry.at,
    }
