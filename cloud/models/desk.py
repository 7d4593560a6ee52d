"""What the desk itself keeps: who has looked at an alarm, and who has seen to it."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.models.base import Base, TownRow


class AlarmMark(TownRow, Base):
    """How far staff are with an alarm. It counts for the `times` it was made at: trouble that
    comes again is open again. Names are kept as they were: a mark outlives a member of staff."""

    __tablename__ = "alarm_marks"

    alarm_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    seen_at: Mapped[int]
    seen_by: Mapped[str] = mapped_column(String(100))
    seen_times: Mapped[int]
    handled_at: Mapped[int | None]
    handled_by: Mapped[str | None] = mapped_column(String(100))
    handled_times: Mapped[int | None]
    note: Mapped[str] = mapped_column(String(300))
