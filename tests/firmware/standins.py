"""The firmware's modules that import a chip's own (`machine`, `bluetooth`), on stand-ins."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

ON_A_CHIP = ("firmware.app", "firmware.ble.", "firmware.enrol", "firmware.hal.")


@contextmanager
def standins(**modules: SimpleNamespace | ModuleType) -> Iterator[Callable[[str], Any]]:
    """Gives `import_module` that finds these in place of a chip's modules.

    What touches a chip is imported anew within. Nothing of it is left behind: a module over the
    stand-ins of one test would be found by the next, which would pass by it.
    """
    before = dict(sys.modules)
    _forget(before)
    sys.modules.update(modules)  # type: ignore[arg-type]  # as good as a module to `import`
    try:
        yield importlib.import_module
    finally:
        _forget(dict(sys.modules))
        for name in modules:
            del sys.modules[name]
        sys.modules.update(
            {name: before[name] for name in before if name.startswith(ON_A_CHIP) or name in modules}
        )


def _forget(modules: dict[str, ModuleType]) -> None:
    for name in modules:
        if name.startswith(ON_A_CHIP):
            del sys.modules[name]
