"""The page of the demo: a small town on a table, looked at and touched from a browser."""
