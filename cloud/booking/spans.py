"""Half-open spans of Unix seconds, [starts_at, ends_at), and what is left of them.

Decides arithmetic only: knows no room, zone or clock.
Invariant: the results of `merge` and `subtract` are sorted, apart from each other and never empty.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Span(NamedTuple):
    """[starts_at, ends_at), Unix seconds."""

    starts_at: int
    ends_at: int

    @property
    def seconds(self) -> int:
        """How long it is; not positive for an empty one."""
        return self.ends_at - self.starts_at

    def overlaps(self, other: Span) -> bool:
        """Whether they share a moment; touching is not sharing."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at

    def contains(self, other: Span) -> bool:
        """Whether all of `other` lies inside."""
        return self.starts_at <= other.starts_at and other.ends_at <= self.ends_at

    def widened(self, before_s: int, after_s: int) -> Span:
        """With more at both ends."""
        return Span(self.starts_at - before_s, self.ends_at + after_s)


def merge(spans: Iterable[Span]) -> list[Span]:
    """The same moments in the fewest spans."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if span.seconds > 0):
        if merged and span.starts_at <= merged[-1].ends_at:
            merged[-1] = Span(merged[-1].starts_at, max(merged[-1].ends_at, span.ends_at))
        else:
            merged.append(span)
    return merged


def subtract(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What is left of `spans` without the moments of `taken`."""
    left: list[Span] = []
    away = merge(taken)
    for span in merge(spans):
        at = span.starts_at
        for gone in away:
            if gone.ends_at <= at or gone.starts_at >= span.ends_at:
                continue
            if gone.starts_at > at:
                left.append(Span(at, gone.starts_at))
            at = max(at, gone.ends_at)
        if at < span.ends_at:
            left.append(Span(at, span.ends_at))
    return left
