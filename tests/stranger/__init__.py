"""A second implementation of wire version 1, written from `docs/spec/` alone.

It stands for the engineer of another company: it imports nothing of Kannuki, and what it cannot
learn from the specification it does not know. `tests/protocol/test_cpython_stranger.py` holds it
against every vector, so that text, vectors and code can only change together.
"""
