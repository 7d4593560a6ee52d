"""The words both ends of a door speak. Pure Python, no I/O; unchanged on CPython and MicroPython."""
