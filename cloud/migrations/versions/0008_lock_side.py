"""What locks say of battery, firmware and lost records; who reaches them; tokens brought ahead.

No gateway has said yet that it reaches a lock, and no token was brought ahead: both come by
themselves with the next reports and turns.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_INT = sa.BigInteger


def upgrade() -> None:
    with op.batch_alter_table("lock_reports") as batch:
        batch.add_column(
            sa.Column("lost_records", _INT, nullable=False, server_default=sa.text("0"))
        )
        batch.add_column(sa.Column("battery", _INT))
        batch.add_column(
            sa.Column("firmware", sa.String(20), nullable=False, server_default=sa.text("''"))
        )
    op.create_table(
        "lock_reach",
        sa.Column("town", sa.String(32), nullable=False),
        sa.Column("lock_id", sa.String(8), nullable=False),
        sa.Column("gateway_id", sa.String(32), nullable=False),
        sa.Column("reached_at", _INT, nullable=False),
        sa.Column("lost_at", _INT, nullable=True),
        sa.PrimaryKeyConstraint("lock_id", "gateway_id", name="pk_lock_reach"),
        sa.ForeignKeyConstraint(["lock_id"], ["locks.lock_id"], name="fk_lock_reach_lock_id"),
    )
    op.create_table(
        "tokens_ahead",
        sa.Column("town", sa.String(32), nullable=False),
        sa.Column("cti", sa.LargeBinary(8), nullable=False),
        sa.Column("attempts", _INT, nullable=False),
        sa.Column("next_attempt_at", _INT, nullable=False),
        sa.Column("taken_at", _INT, nullable=True),
        sa.PrimaryKeyConstraint("cti", name="pk_tokens_ahead"),
        sa.ForeignKeyConstraint(["cti"], ["credentials.cti"], name="fk_tokens_ahead_cti"),
    )
    op.create_index("ix_credentials_begins", "credentials", ["town", "not_before"])
