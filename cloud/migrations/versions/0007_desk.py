"""The desk: who has looked at an alarm and seen to it; records are found by when they came."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_INT = sa.BigInteger


def upgrade() -> None:
    op.create_table(
        "alarm_marks",
        sa.Column("town", sa.String(32), nullable=False),
        sa.Column("alarm_id", sa.String(24), nullable=False),
        sa.Column("seen_at", _INT, nullable=False),
        sa.Column("seen_by", sa.String(100), nullable=False),
        sa.Column("seen_times", _INT, nullable=False),
        sa.Column("handled_at", _INT, nullable=True),
        sa.Column("handled_by", sa.String(100), nullable=True),
        sa.Column("handled_times", _INT, nullable=True),
        sa.Column("note", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("alarm_id", name="pk_alarm_marks"),
    )
    op.create_index("ix_audit_records_received", "audit_records", ["town", "received_at"])
