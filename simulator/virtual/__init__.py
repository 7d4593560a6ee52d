"""The same lock, gateway and holder in one process under virtual time: only loop and ports differ."""
