"""Which refusals of proven holders are written down one by one, and which are only counted.

A holder whose token is over, or does not grant what he wants, can be refused many times a second.
On record one by one, his refusals would within minutes push everything out of the journal that
nobody has fetched yet, and wear the flash. So of one token the first RECORDED are written, the rest
of WITHIN_MS is counted and becomes one record. Openings are not decided here: each is recorded.

Does no I/O and reads no clock; `at` is milliseconds that never run backwards. Invariant: at most
RECORDED + 1 records in WITHIN_MS for each of MAX_TOKENS tokens, and one for all others together. A
restart forgets the counts.
"""

RECORDED = 4
WITHIN_MS = 600000
MAX_TOKENS = 16


class Refusals:
    """The tokens refused of late."""

    def __init__(self) -> None:
        self._known = {}  # cti, or None for all others -> _Row

    def is_due(self, cti: bytes, reason: int, source: int, at: int) -> bool:
        """Count a refusal; whether it is to be recorded by itself."""
        name = cti if cti in self._known or len(self._known) < MAX_TOKENS else None
        row = self._known.get(name)
        if row is None:
            row = self._known[name] = _Row(at, 0 if name is None else RECORDED)
        if row.recordable > 0:
            row.recordable -= 1
            return True
        row.left_out += 1
        row.reason, row.source = reason, source
        return False

    def over(self, at: int) -> list:
        """(reason, source, cti or None, how many) of what was counted and is to be recorded now.

        The reason is that of the last one.
        """
        names = [name for name in self._known if at - self._known[name].since >= WITHIN_MS]
        rows = [(name, self._known.pop(name)) for name in names]
        return [(row.reason, row.source, name, row.left_out) for name, row in rows if row.left_out]


class _Row:
    """One token: when it was refused first, and what came of it."""

    def __init__(self, at: int, recordable: int) -> None:
        self.since = at
        self.recordable = recordable
        self.left_out = 0
        self.reason = self.source = 0
