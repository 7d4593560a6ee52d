"""The life of a key: asked for by a booking, issued, delivered, handed over, withdrawn.

`outbox` takes the wish inside the booking's transaction, `worker` fulfils it, `delivery` mails
links, `pins` allots keypad numbers, `staffkeys` lets a clerk open, `knowledge` says what a lock
knows of it all. What a booking's keys shall be is decided in cloud/credentials.py.
"""
