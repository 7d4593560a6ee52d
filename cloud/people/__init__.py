"""People of a town: residents who sign in, staff with passkeys, what each may do and did.

Decides who somebody is and what that person may do. Decides nothing about bookings or keys.
"""
