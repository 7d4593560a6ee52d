"""The one place where CPython and MicroPython differ: names of `typing` for annotations.

MicroPython does not evaluate annotations, so any placeholder will do there.
"""

try:
    from typing import Any, Callable, Iterable
except ImportError:  # MicroPython has no typing
    Any = Callable = Iterable = None

__all__ = ["Any", "Callable", "Iterable"]
