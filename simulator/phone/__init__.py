"""A simulated phone: a real holder over unmodified bleak, with a wallet; labelled as simulated."""
