"""What a use costs: a table, a window, a category, a reduction.

Decides money and nothing else; whole yen, exact fractions until the one rounding at the end. Who
grants a reduction is decided elsewhere: here it is a number of percent.
Invariant: a longer use never costs less than the part of it from the same start; a higher
reduction never costs more; 100 percent costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from cloud.booking.hours import day_of, moment_of
from cloud.booking.policy import DAYS, Band, Category, Fees, Rules, minute_of_day
from cloud.booking.spans import Span

BASE = -1  # the number of the band that is none


@dataclass(frozen=True)
class FeeLine:
    """A piece of the use at one price; `band` counts from 0, BASE where no band holds."""

    span: Span
    band: int
    price: int


@dataclass(frozen=True)
class Quote:
    """What is to pay, and how it came about."""

    lines: tuple[FeeLine, ...]
    per: str
    full_yen: int
    reduction_percent: int
    yen: int

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "yen": self.yen,
            "full_yen": self.full_yen,
            "reduction_percent": self.reduction_percent,
            "per": self.per,
            "lines": [
                {"starts_at": a.span.starts_at, "ends_at": a.span.ends_at, "price": a.price}
                for a in self.lines
            ],
        }


FREE = Quote((), "hour", 0, 0, 0)


def quote(
    rules: Rules | None, wanted: Span, category: Category, reduction_percent: int = 0
) -> Quote:
    """The fee of a use. A room without a table costs nothing."""
    if rules is None or rules.fees is None:
        return FREE
    fees = rules.fees
    if category == "commercial" and not fees.reduces_commercial:
        reduction_percent = 0
    lines = tuple(_lines(fees, rules.slot_minutes * 60, wanted, category))
    full = _round(_sum(fees, lines), fees.round_down_to)
    reduced = _round(Fraction(full * (100 - reduction_percent), 100), fees.round_down_to)
    return Quote(lines, fees.per, full, reduction_percent, reduced)


def reduction_for(fees: Fees | None, kind: str, own_percent: int | None) -> int:
    """Percent off for a registered group: its own, where the town granted one, else its kind's."""
    if own_percent is not None:
        return own_percent
    return fees.reductions.get(kind, 0) if fees is not None else 0


def _sum(fees: Fees, lines: tuple[FeeLine, ...]) -> Fraction:
    if fees.per == "hour":
        return sum((Fraction(a.price * a.span.seconds, 3600) for a in lines), Fraction(0))
    return Fraction(sum(line.price for line in lines))


def _round(yen: Fraction, step: int) -> int:
    return int(yen // step) * step


def _lines(fees: Fees, slot_s: int, wanted: Span, category: Category) -> Iterator[FeeLine]:
    if fees.per == "slot":
        pieces = _slots(wanted, slot_s)
    else:
        pieces = _pieces(fees, wanted)
    seen: set[tuple[date, int]] = set()
    for piece in pieces:
        day, band = day_of(piece.starts_at), _band_at(fees, piece.starts_at)
        if fees.per == "band" and (day, band) in seen:
            continue
        seen.add((day, band))
        prices = fees.base if band == BASE else fees.bands[band].prices
        yield FeeLine(piece, band, prices.of(category))


def _slots(wanted: Span, slot_s: int) -> Iterator[Span]:
    for at in range(wanted.starts_at, wanted.ends_at, slot_s):
        yield Span(at, min(at + slot_s, wanted.ends_at))


def _pieces(fees: Fees, wanted: Span) -> Iterator[Span]:
    """The use cut at midnights and at the edges of bands; neighbours of one band stay together."""
    day, edges = day_of(wanted.starts_at), {wanted.starts_at, wanted.ends_at}
    while moment_of(day, 0) < wanted.ends_at:
        minutes = {0} | {m for b in fees.bands for m in _edges(b)}
        edges |= {moment_of(day, minute) for minute in minutes}
        day += timedelta(days=1)
    inside = sorted(at for at in edges if wanted.starts_at <= at <= wanted.ends_at)
    start = inside[0]
    for here, following in zip(inside[1:], [*inside[2:], None], strict=False):  # of nothing: none
        is_same = (
            following is not None
            and _band_at(fees, here) == _band_at(fees, start)
            and day_of(here) == day_of(start)
        )
        if not is_same:
            yield Span(start, here)
            start = here


def _edges(band: Band) -> tuple[int, int]:
    return minute_of_day(band.opens), minute_of_day(band.closes)


def _band_at(fees: Fees, at: int) -> int:
    day = day_of(at)
    for number, band in enumerate(fees.bands):
        if DAYS[day.weekday()] in band.days:
            opens, closes = _edges(band)
            if moment_of(day, opens) <= at < moment_of(day, closes):
                return number
    return BASE
