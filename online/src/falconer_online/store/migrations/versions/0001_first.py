from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATES = "'pending','approved','rejected','expired','built','sent','signed','broadcast','confirmed','failed'"


def upgrade() -> None:
    _registrations()
    _proposals()
    _answers()
    _notes()


def _registrations() -> None:
    op.create_table(
        "administrators",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("public_key", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_administrators"),
        sa.UniqueConstraint("public_key", name="uq_administrators_public_key"),
    )
    op.create_table(
        "wallets",
        sa.Column("wallet_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("descriptor", sa.String, nullable=False),
        sa.Column("registered_at", sa.BigInteger, nullable=False),
        sa.Column("next_receive", sa.BigInteger, nullable=False),
        sa.Column("highest_receive", sa.BigInteger, nullable=False),
        sa.Column("highest_change", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("wallet_id", name="pk_wallets"),
        sa.UniqueConstraint("name", name="uq_wallets_name"),
    )
    op.create_table(
        "policies",
        sa.Column("wallet_id", sa.String(64), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.Column("installed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("wallet_id", "version", name="pk_policies"),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.wallet_id"], name="fk_policies_wallet_id"),
    )
    op.create_table(
        "policy_signatures",
        sa.Column("wallet_id", sa.String(64), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("wallet_id", "version", "number", name="pk_policy_signatures"),
        sa.ForeignKeyConstraint(
            ["wallet_id", "version"],
            ["policies.wallet_id", "policies.version"],
            name="fk_policy_signatures_wallet_id",
        ),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("subject", sa.String(64), nullable=True),
        sa.Column("line", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])


def _proposals() -> None:
    op.create_table(
        "proposals",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("wallet_id", sa.String(64), nullable=False),
        sa.Column("family", sa.String(64), nullable=False),
        sa.Column("replaces", sa.String(64), nullable=True),
        sa.Column("replaced_by", sa.String(64), nullable=True),
        sa.Column("accelerates", sa.String(64), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("unsigned_hash", sa.String(64), nullable=False),
        sa.Column("intent", sa.LargeBinary, nullable=False),
        sa.Column("psbt", sa.LargeBinary, nullable=False),
        sa.Column("verdicts", sa.String, nullable=False),
        sa.Column("approvals_needed", sa.Integer, nullable=False),
        sa.Column("request_digest", sa.String(64), nullable=True),
        sa.Column("request_psbt", sa.LargeBinary, nullable=True),
        sa.Column("txid", sa.String(64), nullable=True),
        sa.Column("final", sa.LargeBinary, nullable=True),
        sa.Column("confirmations", sa.BigInteger, nullable=True),
        sa.Column("reason", sa.String, nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_proposals"),
        sa.UniqueConstraint("id", name="uq_proposals_id"),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.wallet_id"], name="fk_proposals_wallet_id"),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("ck_proposals_state")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_proposals_state", "proposals", ["state"])
    op.create_index("ix_proposals_family", "proposals", ["family"])
    op.create_index("ix_proposals_unsigned_hash", "proposals", ["unsigned_hash"])
    op.create_table(
        "coin_locks",
        sa.Column("outpoint", sa.String(80), nullable=False),
        sa.Column("wallet_id", sa.String(64), nullable=False),
        sa.Column("family", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("outpoint", name="pk_coin_locks"),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.wallet_id"], name="fk_coin_locks_wallet_id"),
    )
    op.create_table(
        "coin_holds",
        sa.Column("outpoint", sa.String(80), nullable=False),
        sa.Column("proposal_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("outpoint", "proposal_id", name="pk_coin_holds"),
        sa.ForeignKeyConstraint(["outpoint"], ["coin_locks.outpoint"], name="fk_coin_holds_outpoint"),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name="fk_coin_holds_proposal_id"),
    )
    op.create_index("ix_coin_holds_proposal_id", "coin_holds", ["proposal_id"])
    op.create_table(
        "spends",
        sa.Column("proposal_id", sa.String(64), nullable=False),
        sa.Column("wallet_id", sa.String(64), nullable=False),
        sa.Column("anchor", sa.String(80), nullable=False),
        sa.Column("unsigned_hash", sa.String(64), nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("paid", sa.String, nullable=False),
        sa.Column("approved", sa.Boolean, nullable=False),
        sa.Column("requester", sa.String(64), nullable=False),
        sa.Column("strategy", sa.String(64), nullable=False),
        sa.Column("decided", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("released", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("proposal_id", name="pk_spends"),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name="fk_spends_proposal_id"),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.wallet_id"], name="fk_spends_wallet_id"),
    )
    op.create_index("ix_spends_at", "spends", ["at"])
    op.create_table(
        "spend_scripts",
        sa.Column("proposal_id", sa.String(64), nullable=False),
        sa.Column("script", sa.String, nullable=False),
        sa.Column("own", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("proposal_id", "script", name="pk_spend_scripts"),
        sa.ForeignKeyConstraint(["proposal_id"], ["spends.proposal_id"], name="fk_spend_scripts_proposal_id"),
    )
    op.create_index("ix_spend_scripts_script", "spend_scripts", ["script"])


def _answers() -> None:
    op.create_table(
        "approvals",
        sa.Column("proposal_id", sa.String(64), nullable=False),
        sa.Column("public_key", sa.String, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("proposal_id", "public_key", name="pk_approvals"),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name="fk_approvals_proposal_id"),
    )
    op.create_table(
        "signatures",
        sa.Column("proposal_id", sa.String(64), nullable=False),
        sa.Column("input", sa.Integer, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("proposal_id", "input", "public_key", name="pk_signatures"),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name="fk_signatures_proposal_id"),
    )
    op.create_table(
        "receipts",
        sa.Column("signer", sa.String(64), nullable=False),
        sa.Column("wallet_id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("proposal_id", sa.String(64), nullable=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("signer", "wallet_id", "number", name="pk_receipts"),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.wallet_id"], name="fk_receipts_wallet_id"),
    )


def _notes() -> None:
    op.create_table(
        "labels",
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("ref", sa.String, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("origin", sa.String, nullable=True),
        sa.Column("spendable", sa.Boolean, nullable=True),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("type", "ref", name="pk_labels"),
    )
    op.create_table(
        "frozen_coins",
        sa.Column("outpoint", sa.String(80), nullable=False),
        sa.Column("wallet_id", sa.String(64), nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("frozen_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("outpoint", name="pk_frozen_coins"),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.wallet_id"], name="fk_frozen_coins_wallet_id"),
    )
