"""How often each rule was taken: proof that a run did what it claims to have done."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
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


def write_figures(folder: Path, name: str, figures: dict[str, Any]) -> Path:
    """Keep the figures of a long run as JSON; says where on standard output."""
    path = folder / "var" / "soak" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"figures: {path}")
    return path
