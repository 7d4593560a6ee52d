"""The sites of a town: who is asked by which host, and what each answers."""
