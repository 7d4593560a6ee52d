"""The words both ends of a door speak. Pure Python without I/O, for CPython and MicroPython."""
