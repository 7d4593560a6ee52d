"""The same lock, gateway and holder in one process, under virtual time: ports and loop differ."""
