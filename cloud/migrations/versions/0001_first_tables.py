"""First tables, and in the database itself: no room is ever lent twice at once."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_HOLDS = "('confirmed', 'pending')"
_SQLITE_GUARD = f"""
CREATE TRIGGER bookings_no_overlap_{{verb}} BEFORE {{verb}} ON bookings
WHEN NEW.status IN {_HOLDS}
BEGIN
  SELECT RAISE(ABORT, 'bookings_no_overlap') WHERE EXISTS (
    SELECT 1 FROM bookings
    WHERE room_id = NEW.room_id AND status IN {_HOLDS} AND booking_id <> NEW.booking_id
      AND starts_at < NEW.ends_at AND ends_at > NEW.starts_at
  );
END
"""
_POSTGRESQL_GUARD = (
    "CREATE EXTENSION IF NOT EXISTS btree_gist",
    "ALTER TABLE bookings ADD CONSTRAINT bookings_no_overlap EXCLUDE USING gist "
    f"(room_id WITH =, int8range(starts_at, ends_at) WITH &&) WHERE (status IN {_HOLDS})",
)

_INT = sa.BigInteger
_BYTES = sa.LargeBinary


def upgrade() -> None:
    _places()
    _bookings()
    _keys()
    _news()
    _guard_rooms()


def _places() -> None:
    op.create_table(
        "settings",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_settings"),
    )
    op.create_table(
        "rooms",
        sa.Column("room_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("room_id", name="pk_rooms"),
        sa.UniqueConstraint("name", name="uq_rooms_name"),
    )
    op.create_table(
        "locks",
        sa.Column("lock_id", sa.String(8), nullable=False),
        sa.Column("room_id", sa.String(32)),
        sa.Column("public_key", _BYTES, nullable=False),
        sa.Column("vault_epoch", _INT, nullable=False),
        sa.Column("journal_epoch", _INT, nullable=False),
        sa.Column("enrolled_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("lock_id", name="pk_locks"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.room_id"], name="fk_locks_room_id"),
        sa.UniqueConstraint("room_id", name="uq_locks_room_id"),
    )


def _bookings() -> None:
    op.create_table(
        "bookings",
        sa.Column("booking_id", sa.String(24), nullable=False),
        sa.Column("room_id", sa.String(32)),
        sa.Column("holder_name", sa.String(200), nullable=False),
        sa.Column("holder_contact", sa.String(200), nullable=False),
        sa.Column("starts_at", _INT, nullable=False),
        sa.Column("ends_at", _INT, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("uid", sa.String(255), nullable=False),
        sa.Column("recurrence_id", sa.String(16), nullable=False),
        sa.Column("sequence", _INT, nullable=False),
        sa.Column("dtstamp", _INT, nullable=False),
        sa.Column("created_at", _INT, nullable=False),
        sa.Column("updated_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("booking_id", name="pk_bookings"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.room_id"], name="fk_bookings_room_id"),
        sa.UniqueConstraint("uid", "recurrence_id", name="uq_bookings_uid"),
        sa.CheckConstraint("ends_at > starts_at", name="ck_bookings_ends_after_start"),
        sa.CheckConstraint(
            "status IN ('confirmed', 'pending', 'cancelled')", name="ck_bookings_known_status"
        ),
        sa.CheckConstraint(
            "room_id IS NOT NULL OR status = 'cancelled'", name="ck_bookings_has_room"
        ),
    )
    op.create_index("ix_bookings_room_time", "bookings", ["room_id", "starts_at"])
    op.create_table(
        "calendar_series",
        sa.Column("uid", sa.String(255), nullable=False),
        sa.Column("sequence", _INT, nullable=False),
        sa.Column("dtstamp", _INT, nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_calendar_series"),
    )


def _keys() -> None:
    op.create_table(
        "credentials",
        sa.Column("cti", sa.LargeBinary(8), nullable=False),
        sa.Column("booking_id", sa.String(24), nullable=False),
        sa.Column("lock_id", sa.String(8), nullable=False),
        sa.Column("raw_token", _BYTES, nullable=False),
        sa.Column("not_before", _INT, nullable=False),
        sa.Column("expires_at", _INT, nullable=False),
        sa.Column("issued_at", _INT, nullable=False),
        sa.Column("revoked_at", _INT),
        sa.PrimaryKeyConstraint("cti", name="pk_credentials"),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["bookings.booking_id"], name="fk_credentials_booking_id"
        ),
        sa.ForeignKeyConstraint(["lock_id"], ["locks.lock_id"], name="fk_credentials_lock_id"),
    )
    op.create_index("ix_credentials_booking_id", "credentials", ["booking_id"])
    op.create_index("ix_credentials_lock_id", "credentials", ["lock_id"])
    op.create_table(
        "key_links",
        sa.Column("secret_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("ticket_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("booking_id", sa.String(24), nullable=False),
        sa.Column("device_key", _BYTES),
        sa.Column("created_at", _INT, nullable=False),
        sa.Column("claimed_at", _INT),
        sa.Column("replaced_at", _INT),
        sa.PrimaryKeyConstraint("secret_sha256", name="pk_key_links"),
        sa.UniqueConstraint("ticket_sha256", name="uq_key_links_ticket_sha256"),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["bookings.booking_id"], name="fk_key_links_booking_id"
        ),
    )
    op.create_index("ix_key_links_booking_id", "key_links", ["booking_id"])
    op.create_table(
        "status_outbox",
        sa.Column("lock_id", sa.String(8), nullable=False),
        sa.Column("version", _INT, nullable=False),
        sa.Column("document", _BYTES, nullable=False),
        sa.Column("acknowledged_version", _INT, nullable=False),
        sa.Column("attempts", _INT, nullable=False),
        sa.Column("next_attempt_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("lock_id", name="pk_status_outbox"),
        sa.ForeignKeyConstraint(["lock_id"], ["locks.lock_id"], name="fk_status_outbox_lock_id"),
    )


def _news() -> None:
    op.create_table(
        "audit_records",
        sa.Column("lock_id", sa.String(8), nullable=False),
        sa.Column("journal_epoch", _INT, nullable=False),
        sa.Column("seq", _INT, nullable=False),
        sa.Column("raw", _BYTES, nullable=False),
        sa.Column("time_lo", _INT),
        sa.Column("time_hi", _INT),
        sa.Column("event", _INT, nullable=False),
        sa.Column("code", _INT, nullable=False),
        sa.Column("source", _INT, nullable=False),
        sa.Column("subject", sa.LargeBinary(8)),
        sa.Column("received_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("lock_id", "journal_epoch", "seq", name="pk_audit_records"),
        sa.ForeignKeyConstraint(["lock_id"], ["locks.lock_id"], name="fk_audit_records_lock_id"),
    )
    op.create_index("ix_audit_records_subject", "audit_records", ["subject"])
    op.create_table(
        "alarms",
        sa.Column("alarm_id", sa.String(24), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("device", sa.String(32), nullable=False),
        sa.Column("detail", sa.String(300), nullable=False),
        sa.Column("first_at", _INT, nullable=False),
        sa.Column("last_at", _INT, nullable=False),
        sa.Column("times", _INT, nullable=False),
        sa.PrimaryKeyConstraint("alarm_id", name="pk_alarms"),
        sa.UniqueConstraint("kind", "device", "detail", name="uq_alarms_kind"),
    )
    op.create_table(
        "gateways",
        sa.Column("gateway_id", sa.String(32), nullable=False),
        sa.Column("online", sa.Boolean, nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("started_at", _INT, nullable=False),
        sa.Column("waiting_events", _INT, nullable=False),
        sa.Column("heard_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("gateway_id", name="pk_gateways"),
    )
    op.create_table(
        "lock_reports",
        sa.Column("lock_id", sa.String(8), nullable=False),
        sa.Column("gateway_id", sa.String(32)),
        sa.Column("reachable", sa.Boolean, nullable=False),
        sa.Column("seen_at", _INT, nullable=False),
        sa.Column("bolt", sa.String(10), nullable=False),
        sa.Column("door", sa.String(10), nullable=False),
        sa.Column("status_version", _INT, nullable=False),
        sa.Column("head_seq", _INT, nullable=False),
        sa.Column("time_lo", _INT),
        sa.Column("time_hi", _INT),
        sa.Column("heard_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("lock_id", name="pk_lock_reports"),
        sa.ForeignKeyConstraint(["lock_id"], ["locks.lock_id"], name="fk_lock_reports_lock_id"),
    )


def _guard_rooms() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("INSERT", "UPDATE"):
            op.execute(_SQLITE_GUARD.format(verb=verb))
    else:
        for statement in _POSTGRESQL_GUARD:
            op.execute(statement)
