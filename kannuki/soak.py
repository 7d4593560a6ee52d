"""Figures of long runs, kept as JSON files for people and for comparison.

Decides where they lie: var/soak under the folder that is handed in, which is not committed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_figures(folder: Path, name: str, figures: dict[str, Any]) -> Path:
    """Keep the figures of one run; says on standard output where they are."""
    path = folder / "var" / "soak" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"figures: {path}")
    return path
