"""The lock's chip: MicroPython modules that stand in for an ESP32's built-ins on the unix port.

Only `_ops` (the numbers of the board wire) and `identity` are also imported by CPython.
"""
