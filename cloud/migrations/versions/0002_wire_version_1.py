"""Wire version 1: lists in parts, documents for locks, heads of journals.

Locks of before must be enrolled again (their kdk is another); bookings, records and alarms stay.
A list signed in the old form is never sent again: its version counts as acknowledged, and enrolling
the lock again makes the next one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_INT = sa.BigInteger
_BYTES = sa.LargeBinary


def upgrade() -> None:
    op.drop_column("locks", "vault_epoch")
    op.add_column("locks", sa.Column("signing_key", _BYTES))
    op.add_column("audit_records", sa.Column("value", _INT))
    _reports()
    _lists()
    _documents()
    _heads()


def _reports() -> None:
    for name in ("keyset_version", "config_version", "acked_seq"):
        op.add_column(
            "lock_reports", sa.Column(name, _INT, nullable=False, server_default=sa.text("0"))
        )
    op.add_column(
        "lock_reports",
        sa.Column("keypad", sa.String(10), nullable=False, server_default="unknown"),
    )
    op.add_column(
        "lock_reports",
        sa.Column("held_open", sa.Boolean, nullable=False, server_default=sa.false()),
    )


def _lists() -> None:
    empty = "''" if op.get_bind().dialect.name == "sqlite" else "''::bytea"
    op.add_column(
        "status_outbox",
        sa.Column("entries", _BYTES, nullable=False, server_default=sa.text(empty)),
    )
    op.execute("UPDATE status_outbox SET acknowledged_version = version")
    op.create_table(
        "status_history",
        sa.Column("lock_id", sa.String(8), nullable=False),
        sa.Column("version", _INT, nullable=False),
        sa.Column("entries", _BYTES, nullable=False),
        sa.PrimaryKeyConstraint("lock_id", "version", name="pk_status_history"),
        sa.ForeignKeyConstraint(["lock_id"], ["locks.lock_id"], name="fk_status_history_lock_id"),
    )
    op.create_table(
        "min_issued_at",
        sa.Column("kid", sa.LargeBinary(4), nullable=False),
        sa.Column("audience", sa.String(9), nullable=False),
        sa.Column("least", _INT, nullable=False),
        sa.PrimaryKeyConstraint("kid", "audience", name="pk_min_issued_at"),
    )


def _documents() -> None:
    op.create_table(
        "lock_settings",
        sa.Column("lock_id", sa.String(8), nullable=False),
        sa.Column("version", _INT, nullable=False),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("figures", sa.Text, nullable=False),
        sa.Column("document", _BYTES, nullable=False),
        sa.PrimaryKeyConstraint("lock_id", name="pk_lock_settings"),
        sa.ForeignKeyConstraint(["lock_id"], ["locks.lock_id"], name="fk_lock_settings_lock_id"),
    )
    op.create_table(
        "document_outbox",
        sa.Column("lock_id", sa.String(8), nullable=False),
        sa.Column("what", sa.String(10), nullable=False),
        sa.Column("version", _INT, nullable=False),
        sa.Column("document", _BYTES, nullable=False),
        sa.Column("acknowledged_version", _INT, nullable=False),
        sa.Column("attempts", _INT, nullable=False),
        sa.Column("next_attempt_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("lock_id", "what", name="pk_document_outbox"),
        sa.ForeignKeyConstraint(["lock_id"], ["locks.lock_id"], name="fk_document_outbox_lock_id"),
    )


def _heads() -> None:
    op.create_table(
        "seen_heads",
        sa.Column("lock_id", sa.String(8), nullable=False),
        sa.Column("journal_epoch", _INT, nullable=False),
        sa.Column("seq", _INT, nullable=False),
        sa.Column("record_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("seen_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint(
            "lock_id", "journal_epoch", "seq", "record_hash", name="pk_seen_heads"
        ),
        sa.ForeignKeyConstraint(["lock_id"], ["locks.lock_id"], name="fk_seen_heads_lock_id"),
    )
