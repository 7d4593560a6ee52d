"""Scenarios written once and run at two depths: real parts, or one process under virtual time."""
