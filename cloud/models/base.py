"""What every table has in common: naming, types, and the town that each row belongs to."""

from __future__ import annotations

from sqlalchemy import BigInteger, LargeBinary, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Every table."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {int: BigInteger, bytes: LargeBinary}


class TownRow:
    """A row of one town. Sessions fill `town` in and look at nothing else (cloud/database.py)."""

    town: Mapped[str] = mapped_column(String(32), sort_order=-1)


class TownKeyedRow(TownRow):
    """The same where the town is part of the primary key: its ids are a town's own."""

    town: Mapped[str] = mapped_column(String(32), primary_key=True, sort_order=-1)


class Town(Base):
    """A town that this database serves."""

    __tablename__ = "towns"

    town: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[int]


class Setting(TownKeyedRow, Base):
    """Facts about a town's rows themselves, such as the keyset that they follow."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
