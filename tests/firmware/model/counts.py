"""How often each rule was taken: proof that a run did what it claims to have done."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Counts:
    """Steps and examples of a run."""

    def __init__(self) -> None:
        self.rules: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.examples = 0

    @property
    def steps(self) -> int:
        """Rules taken in all."""
        return sum(self.rules.values())

    def figures(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "steps": self.steps,
            "examples": self.examples,
            "rules": dict(sorted(self.rules.items())),
            "answers": dict(sorted(self.answers.items())),
        }


COUNTS = Counts()
