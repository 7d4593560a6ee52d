"""What the letters about a booking said, so that a change or an end can be told.

A letter that was sent before said how the booking stands today: of what changed earlier nobody is
told late.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_TOLD = """
UPDATE key_deliveries SET told = (
    SELECT CASE
        WHEN status = 'confirmed' THEN
            room_id || ' ' || CAST(starts_at AS VARCHAR(20)) || ' ' || CAST(ends_at AS VARCHAR(20))
        ELSE status
    END
    FROM bookings
    WHERE bookings.booking_id = key_deliveries.booking_id
)
WHERE sent_at IS NOT NULL
"""


def upgrade() -> None:
    with op.batch_alter_table("key_deliveries") as batch:
        batch.add_column(sa.Column("told", sa.String(80)))
        batch.add_column(sa.Column("telling", sa.String(80)))
    op.execute(sa.text(_TOLD))
