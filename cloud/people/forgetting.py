"""What else holds a resident's name, and how it lets go of it when the account is deleted.

Each hook takes (session, account_id, now) within the transaction of the deletion. It raises Problem
when the account must not be deleted yet, and nothing is. Bookings stay: a room was used, at a time,
for a fee; by whom is forgotten.
"""

from __future__ import annotations

from cloud.booking.forgetting import forget as forget_bookings
from cloud.people.accounts import Forget

HOOKS: list[Forget] = [forget_bookings]
