"""A stolen gateway against a real lock: the street that it stands in, and everything it can do."""
