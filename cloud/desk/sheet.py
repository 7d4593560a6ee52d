"""A table as a file that a spreadsheet program opens: CSV (RFC 4180) for Excel in Japanese.

Decides that no cell can act: what a stranger typed as a name and a spreadsheet would take for a
formula gets an apostrophe before it, full-width signs too (Japanese Excel calculates with them).
A byte order mark says UTF-8, without which Excel guesses Shift_JIS. Control characters become
spaces, so a cell is always one line.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

BOM = "\ufeff"
_STARTS_FORMULA = frozenset("=+-@|%")


def lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The file, line by line; the first begins with the mark."""
    yield BOM + _line(header)
    for row in rows:
        yield _line(row)


def cell(value: object) -> str:
    """One value as harmless text; our own numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(int(value))
    text = "".join(" " if _is_control(c) else c for c in str(value))
    return f"'{text}" if _is_formula(text) else text


def _line(values: Sequence[object]) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(
        [cell(value) for value in values]
    )
    return out.getvalue()


def _is_formula(text: str) -> bool:
    """Whether its first visible sign starts one; programs differ in which blanks they skip."""
    seen = unicodedata.normalize("NFKC", text).lstrip()
    seen = "".join(c for c in seen if unicodedata.category(c) != "Cf").lstrip()
    return seen[:1] in _STARTS_FORMULA and seen != ""


def _is_control(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Zl", "Zp", "Cs")
