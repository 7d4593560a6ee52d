"""How a gateway is watched: metrics, watchdog, Home Assistant (monitor.py), and `check`'s probes.

Imports nothing here: `--help` needs none of it.
"""
