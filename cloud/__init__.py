"""The town's service: bookings, people, keys."""
