"""Reading the store: one consistent view, typed rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from falconer_online.states import MAY_EXPIRE, ProposalState
from falconer_online.store import schema
from falconer_online.store.rows import (
    FrozenRow,
    LabelRow,
    PolicyRow,
    ProposalRow,
    ReceiptRow,
    SignatureRow,
    WalletRow,
)
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.errors import StateError, UsageError
from falconer_shared.policy.history import SpendEntry
from falconer_shared.text import safe
from falconer_shared.units import Amount


class View:
    """The store as it is in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def rows(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        rows = self._connection.execute(query).mappings().all()
        kinds = [(str(column.key), column.type.python_type) for column in query.selected_columns]
        for row in rows:
            for key, kind in kinds:
                # SQLite keeps whatever it is given: a hand that edited a cell may have left another kind of value
                if row[key] is not None and type(row[key]) is not kind:
                    raise _edited(f"{type(row[key]).__name__} in column {key} where {kind.__name__} belongs")
        return rows

    def administrators(self) -> dict[str, str]:
        """The pinned administrators: name → public key line."""
        table = schema.administrators
        return {row["name"]: row["public_key"] for row in self.rows(sa.select(table).order_by(table.c.name))}

    def wallets(self) -> tuple[WalletRow, ...]:
        """Every registered wallet, by name."""
        table = schema.wallets
        return tuple(_wallet(row) for row in self.rows(sa.select(table).order_by(table.c.name)))

    def wallet(self, name: str | None) -> WalletRow:
        """The wallet of that name; without a name the only one.

        Raises:
            UsageError: `wallet-ambiguous`. StateError: `wallet-none`, `wallet-unknown`.
        """
        found = self.wallets()
        if not found:
            raise StateError(
                "wallet-none",
                "no wallet is registered",
                remedy="falconer wallet register NAME DESCRIPTOR_FILE",
            )
        if name is None:
            if len(found) > 1:
                names = ", ".join(row.name for row in found)
                raise UsageError("wallet-ambiguous", f"there are several wallets: {names}", remedy="name one")
            return found[0]
        for row in found:
            if row.name == name:
                return row
        raise StateError(
            "wallet-unknown",
            f"no wallet is called '{safe(name)}'",
            remedy="falconer wallet list shows the names",
        )

    def wallet_by_id(self, wallet_id: str) -> WalletRow:
        """The wallet of that id.

        Raises:
            StateError: `wallet-unknown`.
        """
        for row in self.wallets():
            if row.wallet_id == wallet_id:
                return row
        raise StateError("wallet-unknown", f"no wallet with the id {safe(wallet_id)} is registered here")

    def policies(self, wallet_id: str) -> tuple[PolicyRow, ...]:
        """The whole chain of policies of a wallet, oldest first."""
        table, signed = schema.policies, schema.policy_signatures
        signatures: dict[int, list[bytes]] = {}
        for row in self.rows(
            sa.select(signed)
            .where(signed.c.wallet_id == wallet_id)
            .order_by(signed.c.version, signed.c.number)
        ):
            signatures.setdefault(row["version"], []).append(row["signature"])
        return tuple(
            PolicyRow(row["version"], row["digest"], row["text"], tuple(signatures.get(row["version"], ())))
            for row in self.rows(
                sa.select(table).where(table.c.wallet_id == wallet_id).order_by(table.c.version)
            )
        )

    def proposals(
        self, *, state: ProposalState | None = None, wallet_id: str | None = None
    ) -> tuple[ProposalRow, ...]:
        """Proposals, oldest first."""
        table = schema.proposals
        query = sa.select(table).order_by(table.c.number)
        if state is not None:
            query = query.where(table.c.state == state.value)
        if wallet_id is not None:
            query = query.where(table.c.wallet_id == wallet_id)
        return tuple(_proposal(row) for row in self.rows(query))

    def proposal(self, proposal_id: str) -> ProposalRow:
        """The proposal of that id.

        Raises:
            UsageError: `proposal-unknown`.
        """
        table = schema.proposals
        rows = self.rows(sa.select(table).where(table.c.id == proposal_id))
        if not rows:
            raise UsageError(
                "proposal-unknown",
                f"there is no proposal '{safe(proposal_id)}'",
                remedy="falconer proposals list shows the ids",
            )
        return _proposal(rows[0])

    def proposal_of(self, unsigned_hash: str) -> ProposalRow | None:
        """The newest proposal for exactly this transaction."""
        table = schema.proposals
        rows = self.rows(
            sa.select(table).where(table.c.unsigned_hash == unsigned_hash).order_by(table.c.number.desc())
        )
        return _proposal(rows[0]) if rows else None

    def unsigned(self, wallet_id: str, besides: str) -> int:
        """How many families of proposals of a wallet, the family `besides` left out, wait for approval or for a
        signature: those that replace each other are one.
        """
        table = schema.proposals
        query = sa.select(sa.func.count(sa.distinct(table.c.family))).where(
            table.c.wallet_id == wallet_id,
            table.c.family != besides,
            table.c.state.in_([state.value for state in MAY_EXPIRE]),
        )
        return int(self._connection.execute(query).scalar_one())

    def counts(self) -> dict[str, int]:
        """How many proposals are in each state that has any."""
        table = schema.proposals
        query = (
            sa.select(table.c.state, sa.func.count().label("n"))
            .group_by(table.c.state)
            .order_by(table.c.state)
        )
        return {row["state"]: row["n"] for row in self.rows(query)}

    def family(self, row: ProposalRow) -> tuple[ProposalRow, ...]:
        """The proposals that spend the coin which `row` names, itself among them, oldest first."""
        table = schema.proposals
        query = sa.select(table).where(table.c.family == row.family).order_by(table.c.number)
        return tuple(_proposal(each) for each in self.rows(query))

    def accelerators(self, row: ProposalRow) -> tuple[ProposalRow, ...]:
        """The proposals that were made to hurry one of the family of `row`, oldest first."""
        table = schema.proposals
        members = sa.select(table.c.id).where(table.c.family == row.family)
        query = sa.select(table).where(table.c.accelerates.in_(members)).order_by(table.c.number)
        return tuple(_proposal(each) for each in self.rows(query))

    def approvals(self, proposal_id: str) -> tuple[bytes, ...]:
        """The raw SSHSIGs collected for a proposal."""
        table = schema.approvals
        query = (
            sa.select(table.c.signature)
            .where(table.c.proposal_id == proposal_id)
            .order_by(table.c.public_key)
        )
        return tuple(row["signature"] for row in self.rows(query))

    def approved_by(self, proposal_id: str) -> tuple[str, ...]:
        """The names of those whose approvals were verified when they arrived, sorted."""
        table = schema.approvals
        query = sa.select(table.c.name).where(table.c.proposal_id == proposal_id).order_by(table.c.name)
        return tuple(row["name"] for row in self.rows(query))

    def signatures(self, proposal_id: str) -> tuple[SignatureRow, ...]:
        """The Bitcoin signatures collected for a proposal."""
        table = schema.signatures
        query = (
            sa.select(table)
            .where(table.c.proposal_id == proposal_id)
            .order_by(table.c.input, table.c.public_key)
        )
        return tuple(
            SignatureRow(row["input"], row["public_key"], row["signature"]) for row in self.rows(query)
        )

    def receipts(
        self,
        *,
        signer: str | None = None,
        wallet_id: str | None = None,
        proposal_id: str | None = None,
        since: int = 0,
    ) -> tuple[ReceiptRow, ...]:
        """Receipts by signer and number."""
        table = schema.receipts
        query = sa.select(table).where(table.c.number >= since).order_by(table.c.signer, table.c.number)
        for column, value in (
            (table.c.signer, signer),
            (table.c.wallet_id, wallet_id),
            (table.c.proposal_id, proposal_id),
        ):
            if value is not None:
                query = query.where(column == value)
        return tuple(ReceiptRow(**row) for row in self.rows(query))

    def held(self, wallet_id: str) -> dict[OutPoint, str]:
        """Every held coin of a wallet → the newest proposal that holds it."""
        locks, holds, proposals = schema.coin_locks, schema.coin_holds, schema.proposals
        query = (
            sa.select(holds.c.outpoint, holds.c.proposal_id)
            .join(locks, locks.c.outpoint == holds.c.outpoint)
            .join(proposals, proposals.c.id == holds.c.proposal_id)
            .where(locks.c.wallet_id == wallet_id)
            .order_by(holds.c.outpoint, proposals.c.number)
        )
        return {OutPoint.parse_text(row["outpoint"]): row["proposal_id"] for row in self.rows(query)}

    def frozen(self, wallet_id: str) -> dict[OutPoint, FrozenRow]:
        """The coins of a wallet that a person froze."""
        table = schema.frozen_coins
        rows = self.rows(sa.select(table).where(table.c.wallet_id == wallet_id).order_by(table.c.outpoint))
        found = [FrozenRow(**{**row, "outpoint": OutPoint.parse_text(row["outpoint"])}) for row in rows]
        return {each.outpoint: each for each in found}

    def labels(self, kind: str | None = None) -> tuple[LabelRow, ...]:
        """All labels, or those of one type."""
        table = schema.labels
        query = sa.select(table).order_by(table.c.type, table.c.ref)
        if kind is not None:
            query = query.where(table.c.type == kind)
        return tuple(
            LabelRow(row["type"], row["ref"], row["label"], row["origin"], row["spendable"])
            for row in self.rows(query)
        )

    def history(self, wallet_id: str) -> StoredHistory:
        """The wallet's `SpendHistory`."""
        return StoredHistory(self._connection, wallet_id)

    def audit_size(self) -> int:
        """Number of audit records."""
        return int(
            self._connection.execute(sa.select(sa.func.count()).select_from(schema.audit)).scalar_one()
        )

    def audit_lines(self, subject: str | None = None) -> tuple[bytes, ...]:
        """The audit log's lines in order, of one proposal or all."""
        table = schema.audit
        query = sa.select(table.c.line).order_by(table.c.number)
        if subject is not None:
            query = query.where(table.c.subject == subject)
        return tuple(row["line"] for row in self.rows(query))


class StoredHistory:
    """`SpendHistory` over the store: every spend that was reserved and not released."""

    def __init__(self, connection: sa.Connection, wallet_id: str) -> None:
        self._view = View(connection)
        self._wallet_id = wallet_id

    def entries(self, since: int) -> Sequence[SpendEntry]:
        table, scripts = schema.spends, schema.spend_scripts
        mine = [table.c.wallet_id == self._wallet_id, table.c.at > since, table.c.released.is_(False)]
        own: dict[str, set[bytes]] = {}
        touched = (
            sa.select(scripts.c.proposal_id, scripts.c.script)
            .join(table)
            .where(*mine, scripts.c.own.is_(True))
        )
        for row in self._view.rows(touched):
            own.setdefault(row["proposal_id"], set()).add(_script(row["script"]))
        query = sa.select(table).where(*mine).order_by(table.c.at)
        return [_spend(row, frozenset(own.get(row["proposal_id"], ()))) for row in self._view.rows(query)]

    def used(self, scripts: Collection[bytes], besides: OutPoint) -> frozenset[bytes]:
        table, spends = schema.spend_scripts, schema.spends
        query = (
            sa.select(table.c.script)
            .join(spends)
            .where(
                spends.c.wallet_id == self._wallet_id,
                spends.c.released.is_(False),
                spends.c.anchor != besides.text(),
                # a transaction has at most a few thousand outputs, and SQLite takes 32,766 values
                table.c.script.in_([script.hex() for script in scripts]),
            )
            .distinct()
        )
        return frozenset(_script(row["script"]) for row in self._view.rows(query))

    def approved_before(self, requester: str, strategy: str, besides: OutPoint, *, paying: bool) -> bool:
        """A spend that needs approval counts as approved from the beginning, because it goes nowhere without; but
        only once its request was made is it certain that somebody approved it.
        """
        table, proposals = schema.spends, schema.proposals
        query = (
            sa.select(table.c.proposal_id)
            .join(proposals, proposals.c.id == table.c.proposal_id)
            .where(
                table.c.wallet_id == self._wallet_id,
                table.c.released.is_(False),
                table.c.anchor != besides.text(),
                table.c.approved.is_(True),
                table.c.requester == requester,
                table.c.strategy == strategy,
                proposals.c.request_digest.is_not(None),
            )
            .limit(1)
        )
        if paying:
            query = query.where(table.c.paid != "{}")
        return bool(self._view.rows(query))


def _wallet(row: sa.RowMapping) -> WalletRow:
    return WalletRow(
        row["wallet_id"],
        row["name"],
        row["descriptor"],
        row["next_receive"],
        row["highest_receive"],
        row["highest_change"],
    )


def _proposal(row: sa.RowMapping) -> ProposalRow:
    return ProposalRow(**{**row, "state": ProposalState(row["state"])})


def _edited(problem: str) -> StateError:
    return StateError(
        "store-corrupt",
        f"the database holds {problem}",
        remedy="the database was edited: restore it from a backup",
    )


def _script(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise _edited("a script that is not hex") from None


def _spend(row: sa.RowMapping, own: frozenset[bytes]) -> SpendEntry:
    try:
        paid = {bytes.fromhex(script): int(sats) for script, sats in json.loads(row["paid"]).items()}
    except (ValueError, TypeError, AttributeError):
        raise _edited("payments that cannot be read") from None
    return SpendEntry(
        anchor=OutPoint.parse_text(row["anchor"]),
        unsigned_hash=row["unsigned_hash"],
        spent=Amount(row["spent"]),
        paid=paid,
        own=own,
        approved=row["approved"],
        requester=row["requester"],
        strategy=row["strategy"],
        decided=row["decided"],
        at=row["at"],
    )
