"""Who acts: residents with their accounts, staff with their roles, and what they did.

Decides who somebody is and what that person may do. Decides nothing about bookings or keys.
"""
