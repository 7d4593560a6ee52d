"""Many towns in one database: each row names its town; ids that a town chooses are its own.

Everything that was there belongs to the town that the settings named. On SQLite tables are made
anew (it changes no keys in place), so the triggers that guard against double booking are, too.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TOWN = sa.String(32)
_HOLDS = "('confirmed', 'pending')"
_SQLITE_GUARD = f"""
CREATE TRIGGER bookings_no_overlap_{{verb}} BEFORE {{verb}} ON bookings
WHEN NEW.status IN {_HOLDS}
BEGIN
  SELECT RAISE(ABORT, 'bookings_no_overlap') WHERE EXISTS (
    SELECT 1 FROM bookings
    WHERE town = NEW.town AND room_id = NEW.room_id AND status IN {_HOLDS}
      AND booking_id <> NEW.booking_id
      AND starts_at < NEW.ends_at AND ends_at > NEW.starts_at
  );
END
"""
_POSTGRESQL_GUARD = (
    "ALTER TABLE bookings DROP CONSTRAINT bookings_no_overlap",
    "ALTER TABLE bookings ADD CONSTRAINT bookings_no_overlap EXCLUDE USING gist "
    "(town WITH =, room_id WITH =, int8range(starts_at, ends_at) WITH &&) "
    f"WHERE (status IN {_HOLDS})",
)
_CHECKS = (
    sa.CheckConstraint("ends_at > starts_at", name="ck_bookings_ends_after_start"),
    sa.CheckConstraint(
        "status IN ('confirmed', 'pending', 'cancelled')", name="ck_bookings_known_status"
    ),
    sa.CheckConstraint("room_id IS NOT NULL OR status = 'cancelled'", name="ck_bookings_has_room"),
)
_PLAIN = (
    "credentials",
    "key_links",
    "status_outbox",
    "status_history",
    "min_issued_at",
    "lock_settings",
    "document_outbox",
    "audit_records",
    "seen_heads",
    "lock_reports",
)
_KEYED = {"settings": ["name"], "calendar_series": ["uid"], "gateways": ["gateway_id"]}


def upgrade() -> None:
    town = _towns()
    _free_rooms()
    for table in _PLAIN:
        _add_town(table, town)
    for table, key in _KEYED.items():
        _add_town(table, town, key=key)
    _add_town("alarms", town, unique=("uq_alarms_kind", ["kind", "device", "detail"]))
    _add_town("rooms", town, key=["room_id"], unique=("uq_rooms_name", ["name"]))
    _add_town("locks", town, unique=("uq_locks_room_id", ["room_id"]))
    _add_town("bookings", town, unique=("uq_bookings_uid", ["uid", "recurrence_id"]))
    for table in ("locks", "bookings"):
        _to_rooms(table)
    op.drop_index("ix_bookings_room_time", "bookings")
    op.create_index("ix_bookings_room_time", "bookings", ["town", "room_id", "starts_at"])
    _guard()


def _towns() -> str:
    """Makes the table of towns; the town that everything belongs to so far."""
    op.create_table(
        "towns",
        sa.Column("town", _TOWN, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("town", name="pk_towns"),
    )
    connection = op.get_bind()
    town = connection.scalar(sa.text("SELECT value FROM settings WHERE name = 'town'"))
    if town is None:
        return ""
    connection.execute(sa.text("DELETE FROM settings WHERE name = 'town'"))
    connection.execute(
        sa.text("INSERT INTO towns (town, name, created_at) VALUES (:town, '', 0)"), {"town": town}
    )
    return str(town)


def _free_rooms() -> None:
    """Nothing points at rooms while their key changes."""
    for table in ("locks", "bookings"):
        with _batch(table) as batch:
            batch.drop_constraint(f"fk_{table}_room_id", type_="foreignkey")


def _add_town(
    table: str,
    town: str,
    key: list[str] | None = None,
    unique: tuple[str, list[str]] | None = None,
) -> None:
    with _batch(table) as batch:
        batch.add_column(sa.Column("town", _TOWN, nullable=False, server_default=town))
    with _batch(table) as batch:
        batch.alter_column("town", existing_type=_TOWN, nullable=False, server_default=None)
        if key is not None:
            batch.drop_constraint(f"pk_{table}", type_="primary")
            batch.create_primary_key(f"pk_{table}", ["town", *key])
        if unique is not None:
            batch.drop_constraint(unique[0], type_="unique")
            batch.create_unique_constraint(f"uq_{table}_town", ["town", *unique[1]])


def _to_rooms(table: str) -> None:
    with _batch(table) as batch:
        batch.create_foreign_key(
            f"fk_{table}_town", "rooms", ["town", "room_id"], ["town", "room_id"]
        )


def _batch(table: str):  # noqa: ANN202 - alembic's context manager
    checks = _CHECKS if table == "bookings" and _is_sqlite() else ()
    return op.batch_alter_table(table, table_args=checks)


def _guard() -> None:
    if _is_sqlite():
        for verb in ("INSERT", "UPDATE"):
            op.execute(_SQLITE_GUARD.format(verb=verb))
    else:
        for statement in _POSTGRESQL_GUARD:
            op.execute(statement)


def _is_sqlite() -> bool:
    return bool(op.get_bind().dialect.name == "sqlite")
