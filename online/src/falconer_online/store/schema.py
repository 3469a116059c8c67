"""The tables, as SQLAlchemy sees them. `migrations/versions` makes them; a test holds both together.

Amounts are satoshis, times seconds since 1970, ids and digests lower-case hex, outpoints `txid:vout` text.
What was signed is kept as the very bytes that were signed; what can be derived from them again (fee,
payments) is kept beside only for lists, and never judged.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

_HEX = 64
_TOKEN = 64

administrators = Table(
    "administrators",
    metadata,
    Column("name", String(_TOKEN), primary_key=True),
    Column("public_key", String, nullable=False, unique=True),
)
"""The keys pinned at `init`: only they can sign the first policy."""

wallets = Table(
    "wallets",
    metadata,
    Column("wallet_id", String(_HEX), primary_key=True),
    Column("name", String(_TOKEN), nullable=False, unique=True),
    Column("descriptor", String, nullable=False),
    Column("registered_at", BigInteger, nullable=False),
    Column("next_receive", BigInteger, nullable=False),
    Column("highest_receive", BigInteger, nullable=False),
    Column("highest_change", BigInteger, nullable=False),
)
"""`highest_*`: highest index that we handed out or saw proven, -1 for none."""

policies = Table(
    "policies",
    metadata,
    Column("wallet_id", String(_HEX), ForeignKey("wallets.wallet_id"), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("digest", String(_HEX), nullable=False),
    Column("text", LargeBinary, nullable=False),
    Column("installed_at", BigInteger, nullable=False),
)

policy_signatures = Table(
    "policy_signatures",
    metadata,
    Column("wallet_id", String(_HEX), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("signature", LargeBinary, nullable=False),
    ForeignKeyConstraint(["wallet_id", "version"], ["policies.wallet_id", "policies.version"]),
)

proposals = Table(
    "proposals",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(_TOKEN), nullable=False, unique=True),
    Column("wallet_id", String(_HEX), ForeignKey("wallets.wallet_id"), nullable=False),
    Column("family", String(_TOKEN), nullable=False, index=True),
    Column("replaces", String(_TOKEN), nullable=True),
    Column("replaced_by", String(_TOKEN), nullable=True),
    Column("accelerates", String(_TOKEN), nullable=True),
    Column("state", String(16), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("purpose", String, nullable=False),
    Column("unsigned_hash", String(_HEX), nullable=False, index=True),
    Column("intent", LargeBinary, nullable=False),
    Column("psbt", LargeBinary, nullable=False),
    Column("verdicts", String, nullable=False),
    Column("approvals_needed", Integer, nullable=False),
    Column("request_digest", String(_HEX), nullable=True),
    Column("request_psbt", LargeBinary, nullable=True),
    Column("txid", String(_HEX), nullable=True),
    Column("final", LargeBinary, nullable=True),
    Column("confirmations", BigInteger, nullable=True),
    Column("reason", String, nullable=True),
    CheckConstraint(
        "state IN ('pending','approved','rejected','expired','built','sent','signed','broadcast','confirmed','failed')",
        name="state",
    ),
    sqlite_autoincrement=True,
)
"""One row for each transaction. Those that spend one named coin are a family, called after the first of them: at most one can
confirm. `replaces` is what this one was made to take the place of, `replaced_by` what was sent in its place; `accelerates` is
whose change it spends to hurry it.
"""

approvals = Table(
    "approvals",
    metadata,
    Column("proposal_id", String(_TOKEN), ForeignKey("proposals.id"), primary_key=True),
    Column("public_key", String, primary_key=True),
    Column("name", String(_TOKEN), nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("received_at", BigInteger, nullable=False),
)

signatures = Table(
    "signatures",
    metadata,
    Column("proposal_id", String(_TOKEN), ForeignKey("proposals.id"), primary_key=True),
    Column("input", Integer, primary_key=True),
    Column("public_key", LargeBinary, primary_key=True),
    Column("signature", LargeBinary, nullable=False),
    Column("received_at", BigInteger, nullable=False),
)

receipts = Table(
    "receipts",
    metadata,
    Column("signer", String(_TOKEN), primary_key=True),
    Column("wallet_id", String(_HEX), ForeignKey("wallets.wallet_id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("digest", String(_HEX), nullable=False),
    Column("text", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("proposal_id", String(_TOKEN), nullable=True),
    Column("received_at", BigInteger, nullable=False),
)

coin_locks = Table(
    "coin_locks",
    metadata,
    Column("outpoint", String(80), primary_key=True),
    Column("wallet_id", String(_HEX), ForeignKey("wallets.wallet_id"), nullable=False),
    Column("family", String(_TOKEN), nullable=False),
)
"""One family holds a coin: the primary key says so even if the node forgets."""

coin_holds = Table(
    "coin_holds",
    metadata,
    Column("outpoint", String(80), ForeignKey("coin_locks.outpoint"), primary_key=True),
    Column("proposal_id", String(_TOKEN), ForeignKey("proposals.id"), primary_key=True, index=True),
)
"""Which of the family hold it: a replacement spends what the one before it spends."""

spends = Table(
    "spends",
    metadata,
    Column("proposal_id", String(_TOKEN), ForeignKey("proposals.id"), primary_key=True),
    Column("wallet_id", String(_HEX), ForeignKey("wallets.wallet_id"), nullable=False),
    Column("anchor", String(80), nullable=False),
    Column("unsigned_hash", String(_HEX), nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("paid", String, nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("requester", String(_TOKEN), nullable=False),
    Column("strategy", String(_TOKEN), nullable=False),
    Column("decided", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False, index=True),
    Column("released", Boolean, nullable=False),
)

spend_scripts = Table(
    "spend_scripts",
    metadata,
    Column("proposal_id", String(_TOKEN), ForeignKey("spends.proposal_id"), primary_key=True),
    Column("script", String, primary_key=True, index=True),
    Column("own", Boolean, nullable=False),
)
"""Every script that a spend pays (`own` false), spends from or returns to, in hex: whether an address was used
before must not take a walk through the whole history.
"""

labels = Table(
    "labels",
    metadata,
    Column("type", String(16), primary_key=True),
    Column("ref", String, primary_key=True),
    Column("label", String, nullable=False),
    Column("origin", String, nullable=True),
    Column("spendable", Boolean, nullable=True),
    Column("changed_at", BigInteger, nullable=False),
)
"""Notes for people (BIP 329). No judgement reads this table (A120)."""

frozen_coins = Table(
    "frozen_coins",
    metadata,
    Column("outpoint", String(80), primary_key=True),
    Column("wallet_id", String(_HEX), ForeignKey("wallets.wallet_id"), nullable=False),
    Column("reason", String, nullable=False),
    Column("frozen_at", BigInteger, nullable=False),
)
"""Coins that a person keeps out of proposals, until they say otherwise."""

audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("subject", String(_TOKEN), nullable=True, index=True),
    Column("line", LargeBinary, nullable=False),
)
