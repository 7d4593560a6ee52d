"""People: accounts and how they sign in, staff and their passkeys, sessions, what staff did.

The list of actions is append-only in the database itself, by triggers.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_INT = sa.BigInteger
_SHA = sa.LargeBinary(32)
_FROZEN_SQLITE = """
CREATE TRIGGER actions_no_{verb} BEFORE {verb} ON actions
BEGIN
  SELECT RAISE(ABORT, 'actions_append_only');
END
"""
_FROZEN_POSTGRESQL = (
    """
CREATE FUNCTION actions_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'actions_append_only';
END $$
""",
    "CREATE TRIGGER actions_append_only BEFORE UPDATE OR DELETE ON actions "
    "FOR EACH ROW EXECUTE FUNCTION actions_append_only()",
    "CREATE TRIGGER actions_no_truncate BEFORE TRUNCATE ON actions "
    "FOR EACH STATEMENT EXECUTE FUNCTION actions_append_only()",
)


def upgrade() -> None:
    _accounts()
    _staff()
    _passkeys()
    _sessions()
    _actions()


def _town() -> sa.Column:
    return sa.Column("town", sa.String(32), nullable=False)


def _time(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, _INT, nullable=nullable)


def _text(name: str, length: int, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _of(table: str, column: str, of: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{of}.{column}"], name=f"fk_{table}_{column}")


def _accounts() -> None:
    op.create_table(
        "accounts",
        _town(),
        _text("account_id", 24),
        _text("name", 100),
        _text("name_from", 31),
        sa.Column("consent_version", _INT, nullable=False),
        _time("consented_at"),
        _time("created_at"),
        _time("last_sign_in_at"),
        sa.PrimaryKeyConstraint("account_id", name="pk_accounts"),
    )
    op.create_table(
        "account_links",
        _town(),
        sa.Column("subject_hash", _SHA, nullable=False),
        _text("account_id", 24),
        _text("provider", 31),
        _time("linked_at"),
        _time("last_used_at"),
        sa.PrimaryKeyConstraint("subject_hash", name="pk_account_links"),
        sa.UniqueConstraint("account_id", "provider", name="uq_account_links_account_id"),
        _of("account_links", "account_id", "accounts"),
    )
    op.create_table(
        "account_facts",
        _town(),
        _text("account_id", 24),
        _text("provider", 31),
        _text("level", 8),
        sa.Column("resident", sa.Boolean, nullable=True),
        sa.Column("adult", sa.Boolean, nullable=True),
        _time("verified_at"),
        _time("expires_at"),
        sa.PrimaryKeyConstraint("account_id", "provider", name="pk_account_facts"),
        _of("account_facts", "account_id", "accounts"),
    )
    op.create_table(
        "sign_in_attempts",
        _town(),
        sa.Column("number_sha256", _SHA, nullable=False),
        sa.Column("browser_sha256", _SHA, nullable=False),
        _text("provider", 31),
        _text("return_to", 512),
        _text("link_to", 24, nullable=True),
        _time("started_at"),
        sa.PrimaryKeyConstraint("number_sha256", name="pk_sign_in_attempts"),
    )
    op.create_index("ix_sign_in_attempts_started_at", "sign_in_attempts", ["started_at"])


def _staff() -> None:
    op.create_table(
        "staff",
        _town(),
        _text("staff_id", 24),
        _text("name", 100),
        sa.Column("user_handle", _SHA, nullable=False),
        _time("created_at"),
        _time("suspended_at", nullable=True),
        sa.PrimaryKeyConstraint("staff_id", name="pk_staff"),
        sa.UniqueConstraint("user_handle", name="uq_staff_user_handle"),
    )
    op.create_table(
        "staff_grants",
        _town(),
        _text("staff_id", 24),
        _text("role", 16),
        _text("facility_id", 32),
        sa.PrimaryKeyConstraint("staff_id", "role", "facility_id", name="pk_staff_grants"),
        _of("staff_grants", "staff_id", "staff"),
    )
    op.create_table(
        "staff_invites",
        _town(),
        sa.Column("secret_sha256", _SHA, nullable=False),
        _text("staff_id", 24),
        _time("created_at"),
        _time("expires_at"),
        sa.PrimaryKeyConstraint("secret_sha256", name="pk_staff_invites"),
        _of("staff_invites", "staff_id", "staff"),
    )
    op.create_index("ix_staff_invites_staff_id", "staff_invites", ["staff_id"])


def _passkeys() -> None:
    op.create_table(
        "passkeys",
        _town(),
        _text("passkey_id", 24),
        _text("staff_id", 24),
        sa.Column("credential_sha256", _SHA, nullable=False),
        sa.Column("credential_id", sa.LargeBinary, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", _INT, nullable=False),
        sa.Column("backed_up", sa.Boolean, nullable=False),
        _text("label", 60),
        _time("created_at"),
        _time("last_used_at", nullable=True),
        sa.PrimaryKeyConstraint("passkey_id", name="pk_passkeys"),
        sa.UniqueConstraint("town", "credential_sha256", name="uq_passkeys_town"),
        _of("passkeys", "staff_id", "staff"),
    )
    op.create_index("ix_passkeys_staff_id", "passkeys", ["staff_id"])
    op.create_table(
        "passkey_challenges",
        _town(),
        sa.Column("challenge_sha256", _SHA, nullable=False),
        _text("staff_id", 24, nullable=True),
        _time("created_at"),
        sa.PrimaryKeyConstraint("challenge_sha256", name="pk_passkey_challenges"),
        _of("passkey_challenges", "staff_id", "staff"),
    )
    op.create_index("ix_passkey_challenges_created_at", "passkey_challenges", ["created_at"])


def _sessions() -> None:
    op.create_table(
        "web_sessions",
        _town(),
        sa.Column("cookie_sha256", _SHA, nullable=False),
        _text("session_id", 24),
        _text("account_id", 24, nullable=True),
        _text("staff_id", 24, nullable=True),
        _text("device", 60),
        _time("started_at"),
        _time("seen_at"),
        _time("ends_at"),
        sa.CheckConstraint(
            "(account_id IS NULL) <> (staff_id IS NULL)", name="ck_web_sessions_one_owner"
        ),
        sa.PrimaryKeyConstraint("cookie_sha256", name="pk_web_sessions"),
        sa.UniqueConstraint("session_id", name="uq_web_sessions_session_id"),
        _of("web_sessions", "account_id", "accounts"),
        _of("web_sessions", "staff_id", "staff"),
    )
    op.create_index("ix_web_sessions_account_id", "web_sessions", ["account_id"])
    op.create_index("ix_web_sessions_staff_id", "web_sessions", ["staff_id"])


def _actions() -> None:
    op.create_table(
        "actions",
        _town(),
        sa.Column("seq", _INT, nullable=False, autoincrement=False),
        _time("at"),
        _text("principal_id", 24),
        _text("action", 40),
        _text("object_id", 64),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("row_hash", _SHA, nullable=False),
        sa.PrimaryKeyConstraint("town", "seq", name="pk_actions"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(_FROZEN_SQLITE.format(verb=verb))
    else:
        for statement in _FROZEN_POSTGRESQL:
            op.execute(statement)
