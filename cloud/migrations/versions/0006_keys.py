"""Keys by an outbox: several holders a booking, letters, numbers for keypads, keys of staff.

What was issued before belongs to whoever booked. What was withdrawn before counts as listed by the
newest list of its lock. Nothing is issued here: the service, when it starts, asks for what is
missing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_INT = sa.BigInteger
_BYTES = sa.LargeBinary
_LIVE = sa.text("revoked_at IS NULL")
_OPEN_WORK = sa.text("done < wanted")


def upgrade() -> None:
    _credentials()
    _links()
    _work()
    _deliveries()
    _pins()
    _staff_keys()


def _credentials() -> None:
    with op.batch_alter_table("credentials") as batch:
        batch.add_column(
            sa.Column("holder_id", sa.String(24), nullable=False, server_default=sa.text("''"))
        )
        batch.add_column(sa.Column("listed_version", _INT))
    with op.batch_alter_table("credentials") as batch:
        batch.alter_column(
            "holder_id", existing_type=sa.String(24), nullable=False, server_default=None
        )
    op.execute(
        "UPDATE credentials SET listed_version = (SELECT version FROM status_outbox"
        " WHERE status_outbox.lock_id = credentials.lock_id) WHERE revoked_at IS NOT NULL"
    )
    op.create_index(
        "uq_credentials_live",
        "credentials",
        ["town", "booking_id", "holder_id"],
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    )


def _links() -> None:
    with op.batch_alter_table("key_links") as batch:
        batch.add_column(
            sa.Column("holder_id", sa.String(24), nullable=False, server_default=sa.text("''"))
        )
        batch.add_column(sa.Column("closes_at", _INT))
        batch.add_column(sa.Column("ended_as", sa.String(12)))
        batch.alter_column("ticket_sha256", existing_type=sa.LargeBinary(32), nullable=True)
    with op.batch_alter_table("key_links") as batch:
        batch.alter_column(
            "holder_id", existing_type=sa.String(24), nullable=False, server_default=None
        )


def _work() -> None:
    op.create_table(
        "key_work",
        sa.Column("town", sa.String(32), nullable=False),
        sa.Column("booking_id", sa.String(24), nullable=False),
        sa.Column("wanted", _INT, nullable=False),
        sa.Column("done", _INT, nullable=False),
        sa.Column("attempts", _INT, nullable=False),
        sa.Column("next_attempt_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("booking_id", name="pk_key_work"),
        _of_booking("key_work"),
    )
    op.create_index(
        "ix_key_work_due",
        "key_work",
        ["town", "next_attempt_at"],
        sqlite_where=_OPEN_WORK,
        postgresql_where=_OPEN_WORK,
    )


def _deliveries() -> None:
    op.create_table(
        "key_deliveries",
        sa.Column("town", sa.String(32), nullable=False),
        sa.Column("booking_id", sa.String(24), nullable=False),
        sa.Column("holder_id", sa.String(24), nullable=False),
        sa.Column("turn", _INT, nullable=False),
        sa.Column("why", sa.String(12), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", _INT, nullable=False),
        sa.Column("asked_at", _INT, nullable=False),
        sa.Column("next_attempt_at", _INT, nullable=False),
        sa.Column("sent_at", _INT),
        sa.Column("link_sha256", sa.LargeBinary(32)),
        sa.PrimaryKeyConstraint("booking_id", "holder_id", name="pk_key_deliveries"),
        _of_booking("key_deliveries"),
    )


def _pins() -> None:
    op.create_table(
        "issued_pins",
        sa.Column("town", sa.String(32), nullable=False),
        sa.Column("lock_id", sa.String(8), nullable=False),
        sa.Column("starts_at", _INT, nullable=False),
        sa.Column("quarters", _INT, nullable=False),
        sa.Column("serial", _INT, nullable=False),
        sa.Column("ends_at", _INT, nullable=False),
        sa.Column("booking_id", sa.String(24), nullable=False),
        sa.Column("holder_id", sa.String(24), nullable=False),
        sa.Column("name", sa.LargeBinary(8), nullable=False),
        sa.Column("vault_epoch", _INT, nullable=False),
        sa.Column("issued_at", _INT, nullable=False),
        sa.Column("revoked_at", _INT),
        sa.Column("listed_version", _INT),
        sa.PrimaryKeyConstraint(
            "lock_id", "starts_at", "quarters", "serial", name="pk_issued_pins"
        ),
        sa.ForeignKeyConstraint(["lock_id"], ["locks.lock_id"], name="fk_issued_pins_lock_id"),
        _of_booking("issued_pins"),
    )
    op.create_index("ix_issued_pins_booking_id", "issued_pins", ["booking_id"])
    op.create_index("ix_issued_pins_name", "issued_pins", ["name"])


def _staff_keys() -> None:
    op.create_table(
        "staff_keys",
        sa.Column("town", sa.String(32), nullable=False),
        sa.Column("cti", sa.LargeBinary(8), nullable=False),
        sa.Column("staff_id", sa.String(40), nullable=False),
        sa.Column("staff_name", sa.String(200), nullable=False),
        sa.Column("lock_id", sa.String(8), nullable=False),
        sa.Column("booking_id", sa.String(24)),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("raw_token", _BYTES, nullable=False),
        sa.Column("ticket_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("not_before", _INT, nullable=False),
        sa.Column("expires_at", _INT, nullable=False),
        sa.Column("issued_at", _INT, nullable=False),
        sa.Column("revoked_at", _INT),
        sa.Column("listed_version", _INT),
        sa.PrimaryKeyConstraint("cti", name="pk_staff_keys"),
        sa.UniqueConstraint("ticket_sha256", name="uq_staff_keys_ticket_sha256"),
        sa.ForeignKeyConstraint(["lock_id"], ["locks.lock_id"], name="fk_staff_keys_lock_id"),
        _of_booking("staff_keys"),
    )
    op.create_index("ix_staff_keys_staff_id", "staff_keys", ["staff_id"])
    op.create_index("ix_staff_keys_lock_id", "staff_keys", ["lock_id"])


def _of_booking(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_booking_id"
    return sa.ForeignKeyConstraint(["booking_id"], ["bookings.booking_id"], name=name)
