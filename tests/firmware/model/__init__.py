"""A stateful model of one lock: a simple oracle, and everything people and attackers do to it."""
