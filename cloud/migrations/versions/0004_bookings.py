"""Facilities and policies, holds and buffers, payments, groups.

Rooms of before belong to a facility `main` without a policy: they are lent as they were. Bookings
that a calendar brought are paid elsewhere, the others had no fee. The guard against double booking
moves to [held_from, held_to), which is never shorter than the use.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_INT = sa.BigInteger
_TOWN = sa.String(32)
_HOLDS = "('held', 'pending', 'confirmed')"
_MAX_HELD_S = 33 * 86_400
# The lower bound of held_from lets the index end the search: no span is longer than that.
_SQLITE_GUARD = f"""
CREATE TRIGGER bookings_no_overlap_{{verb}} BEFORE {{verb}} ON bookings
WHEN NEW.status IN {_HOLDS}
BEGIN
  SELECT RAISE(ABORT, 'bookings_no_overlap') WHERE EXISTS (
    SELECT 1 FROM bookings
    WHERE town = NEW.town AND room_id = NEW.room_id AND status IN {_HOLDS}
      AND booking_id <> NEW.booking_id
      AND held_from < NEW.held_to AND held_from > NEW.held_from - {_MAX_HELD_S}
      AND held_to > NEW.held_from
  );
END
"""
_POSTGRESQL_GUARD = (
    "ALTER TABLE bookings ADD CONSTRAINT bookings_no_overlap EXCLUDE USING gist "
    "(town WITH =, room_id WITH =, int8range(held_from, held_to) WITH &&) "
    f"WHERE (status IN {_HOLDS})"
)
_CHECKS = {
    "ends_after_start": "ends_at > starts_at",
    "known_status": (
        "status IN ('held', 'pending', 'confirmed', 'cancelled', 'declined', 'expired')"
    ),
    "has_room": f"room_id IS NOT NULL OR status NOT IN {_HOLDS}",
    "held_span": "held_from <= starts_at AND held_to >= ends_at",
    "held_not_for_ever": f"status NOT IN {_HOLDS} OR held_to - held_from <= {_MAX_HELD_S}",
    "hold_ends": "status <> 'held' OR hold_until IS NOT NULL",
    "known_payment": (
        "payment_state IN ('settled', 'exempt', 'external', 'counter', 'invoice', 'pending', "
        "'refund_due', 'refunded', 'void')"
    ),
    "known_method": (
        "payment_method IN ('free', 'exempt', 'external', 'counter', 'invoice', 'hosted')"
    ),
    "money": (
        "fee_yen >= 0 AND refund_due_yen >= 0 AND refunded_yen >= 0 "
        "AND refund_due_yen + refunded_yen <= paid_yen"
    ),
}
_MAIN_NAMES = {"ja": "町の施設", "ja-simple": "まちの しせつ", "en": "Town rooms"}


def upgrade() -> None:
    _facilities()
    _rooms()
    _bookings()
    _holders()
    _groups()
    _payments()
    _guard()


def _facilities() -> None:
    facilities = op.create_table(
        "facilities",
        sa.Column("town", _TOWN, nullable=False),
        sa.Column("facility_id", sa.String(32), nullable=False),
        sa.Column("names", sa.Text, nullable=False),
        sa.Column("address", sa.String(300), nullable=False),
        sa.Column("find", sa.Text, nullable=False),
        sa.Column("phone", sa.String(40), nullable=False),
        sa.Column("assurance", sa.String(8), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("policy", sa.Text),
        sa.Column("policy_version", _INT, nullable=False),
        sa.Column("created_at", _INT, nullable=False),
        sa.Column("updated_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("town", "facility_id", name="pk_facilities"),
    )
    rooms = op.get_bind().execute(sa.text("SELECT DISTINCT town FROM rooms")).fetchall()
    for (town,) in rooms:
        op.get_bind().execute(
            facilities.insert().values(
                town=town,
                facility_id="main",
                names=json.dumps(_MAIN_NAMES, ensure_ascii=False),
                address="",
                find="{}",
                phone="",
                assurance="none",
                policy=None,
                policy_version=0,
                created_at=0,
                updated_at=0,
            )
        )
    op.create_table(
        "closed_days",
        sa.Column("town", _TOWN, nullable=False),
        sa.Column("facility_id", sa.String(32), nullable=False),
        sa.Column("room_id", sa.String(32), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("created_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("town", "facility_id", "room_id", "day", name="pk_closed_days"),
        sa.ForeignKeyConstraint(
            ["town", "facility_id"],
            ["facilities.town", "facilities.facility_id"],
            name="fk_closed_days_town",
        ),
    )


def _rooms() -> None:
    with op.batch_alter_table("rooms") as batch:
        batch.add_column(
            sa.Column("facility_id", sa.String(32), nullable=False, server_default="main")
        )
        batch.add_column(sa.Column("names", sa.Text, nullable=False, server_default="{}"))
        batch.add_column(sa.Column("find", sa.Text, nullable=False, server_default="{}"))
        batch.add_column(sa.Column("capacity", _INT))
        batch.add_column(sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()))
        batch.create_foreign_key(
            "fk_rooms_town", "facilities", ["town", "facility_id"], ["town", "facility_id"]
        )


def _bookings() -> None:
    with op.batch_alter_table("bookings") as batch:
        for column in _new_columns():
            batch.add_column(column)
    op.execute("UPDATE bookings SET held_from = starts_at, held_to = ends_at")
    op.execute(
        "UPDATE bookings SET payment_method = 'external', payment_state = 'external', "
        "channel = 'calendar' WHERE uid <> booking_id || '@kannuki'"
    )
    if _is_sqlite():
        _make_bookings_anew()
    else:
        _change_bookings_in_place()
    for name, columns in (
        ("ix_bookings_held", ["town", "room_id", "held_from"]),
        ("ix_bookings_starts_at", ["town", "starts_at"]),
        ("ix_bookings_account_id", ["town", "account_id"]),
        ("ix_bookings_group_id", ["town", "group_id"]),
    ):
        op.create_index(name, "bookings", columns)


def _make_bookings_anew() -> None:
    """SQLite: the table as it is, with none of the checks of before (some stood there twice)."""
    table = sa.Table("bookings", sa.MetaData(), autoload_with=op.get_bind())
    for constraint in list(table.constraints):
        if isinstance(constraint, sa.CheckConstraint):
            table.constraints.remove(constraint)
    checks = [sa.CheckConstraint(sql, name=op.f(f"ck_bookings_{n}")) for n, sql in _CHECKS.items()]
    with op.batch_alter_table("bookings", copy_from=table, table_args=checks) as batch:
        for name in ("held_from", "held_to"):
            batch.alter_column(name, existing_type=_INT, nullable=False)


def _change_bookings_in_place() -> None:
    op.execute("ALTER TABLE bookings DROP CONSTRAINT bookings_no_overlap")
    for check in sa.inspect(op.get_bind()).get_check_constraints("bookings"):
        op.drop_constraint(op.f(check["name"]), "bookings", type_="check")
    for name in ("held_from", "held_to"):
        op.alter_column("bookings", name, existing_type=_INT, nullable=False)
    for name, sql in _CHECKS.items():
        op.create_check_constraint(op.f(f"ck_bookings_{name}"), "bookings", sql)


def _new_columns() -> list[sa.Column]:
    def text(name: str, length: int, default: str = "") -> sa.Column:
        return sa.Column(name, sa.String(length), nullable=False, server_default=default)

    def number(name: str, default: int = 0) -> sa.Column:
        return sa.Column(name, _INT, nullable=False, server_default=sa.text(str(default)))

    return [
        sa.Column("held_from", _INT),
        sa.Column("held_to", _INT),
        sa.Column("hold_until", _INT),
        number("version", 1),
        sa.Column("account_id", sa.String(24)),
        sa.Column("group_id", sa.String(24)),
        text("channel", 10, "machine"),
        text("booked_by", 80),
        text("booker_name", 200),
        text("purpose", 300),
        sa.Column("people", _INT),
        text("category", 12, "resident"),
        number("fee_yen"),
        number("full_fee_yen"),
        number("reduction_percent"),
        number("paid_yen"),
        number("refund_due_yen"),
        number("refunded_yen"),
        text("payment_method", 10, "free"),
        text("payment_state", 12, "settled"),
        sa.Column("pay_later", sa.Boolean, nullable=False, server_default=sa.false()),
        text("reasons", 300),
        text("decided_by", 80),
        sa.Column("decided_at", _INT),
        text("decision_note", 300),
    ]


def _holders() -> None:
    op.create_table(
        "booking_holders",
        sa.Column("town", _TOWN, nullable=False),
        sa.Column("holder_id", sa.String(24), nullable=False),
        sa.Column("booking_id", sa.String(24), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("contact", sa.String(200), nullable=False),
        sa.Column("is_lead", sa.Boolean, nullable=False),
        sa.Column("created_at", _INT, nullable=False),
        sa.Column("removed_at", _INT),
        sa.PrimaryKeyConstraint("holder_id", name="pk_booking_holders"),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["bookings.booking_id"], name="fk_booking_holders_booking_id"
        ),
    )
    op.create_index("ix_booking_holders_booking_id", "booking_holders", ["booking_id"])


def _groups() -> None:
    op.create_table(
        "groups",
        sa.Column("town", _TOWN, nullable=False),
        sa.Column("group_id", sa.String(24), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("contact", sa.String(200), nullable=False),
        sa.Column("may_be_invoiced", sa.Boolean, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("version", _INT, nullable=False),
        sa.Column("created_at", _INT, nullable=False),
        sa.Column("updated_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("group_id", name="pk_groups"),
        sa.UniqueConstraint("town", "name", name="uq_groups_town"),
    )
    op.create_table(
        "group_evidence",
        sa.Column("town", _TOWN, nullable=False),
        sa.Column("evidence_id", sa.String(24), nullable=False),
        sa.Column("group_id", sa.String(24), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("shown", sa.String(300), nullable=False),
        sa.Column("reduction_percent", _INT),
        sa.Column("checked_by", sa.String(80), nullable=False),
        sa.Column("checked_at", _INT, nullable=False),
        sa.Column("expires_at", _INT, nullable=False),
        sa.Column("withdrawn_at", _INT),
        sa.PrimaryKeyConstraint("evidence_id", name="pk_group_evidence"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.group_id"], name="fk_group_evidence_group"),
    )
    op.create_index("ix_group_evidence_group_id", "group_evidence", ["group_id"])
    op.create_table(
        "group_members",
        sa.Column("town", _TOWN, nullable=False),
        sa.Column("group_id", sa.String(24), nullable=False),
        sa.Column("account_id", sa.String(24), nullable=False),
        sa.Column("added_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "account_id", name="pk_group_members"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.group_id"], name="fk_group_members_group"),
    )
    op.create_index("ix_group_members_account_id", "group_members", ["town", "account_id"])


def _payments() -> None:
    op.create_table(
        "payment_orders",
        sa.Column("town", _TOWN, nullable=False),
        sa.Column("reference", sa.String(24), nullable=False),
        sa.Column("booking_id", sa.String(24), nullable=False),
        sa.Column("yen", _INT, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("created_at", _INT, nullable=False),
        sa.Column("expires_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("reference", name="pk_payment_orders"),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["bookings.booking_id"], name="fk_payment_orders_booking_id"
        ),
        sa.CheckConstraint("yen > 0", name=op.f("ck_payment_orders_some_yen")),
    )
    op.create_index("ix_payment_orders_booking_id", "payment_orders", ["booking_id"])
    op.create_table(
        "payment_events",
        sa.Column("town", _TOWN, nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("reference", sa.String(24), nullable=False),
        sa.Column("received_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("town", "event_id", name="pk_payment_events"),
    )
    op.create_table(
        "payment_entries",
        sa.Column("town", _TOWN, nullable=False),
        sa.Column("entry_id", sa.String(24), nullable=False),
        sa.Column("booking_id", sa.String(24), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("yen", _INT, nullable=False),
        sa.Column("method", sa.String(10), nullable=False),
        sa.Column("taken_by", sa.String(80), nullable=False),
        sa.Column("taken_at", _INT, nullable=False),
        sa.Column("note", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_payment_entries"),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["bookings.booking_id"], name="fk_payment_entries_booking_id"
        ),
        sa.CheckConstraint("yen > 0", name=op.f("ck_payment_entries_some_yen")),
        sa.CheckConstraint(
            "kind IN ('paid', 'refunded')", name=op.f("ck_payment_entries_known_kind")
        ),
    )
    op.create_index("ix_payment_entries_booking_id", "payment_entries", ["booking_id"])


def _guard() -> None:
    if _is_sqlite():
        for verb in ("INSERT", "UPDATE"):
            op.execute(_SQLITE_GUARD.format(verb=verb))
    else:
        op.execute(_POSTGRESQL_GUARD)


def _is_sqlite() -> bool:
    return bool(op.get_bind().dialect.name == "sqlite")
