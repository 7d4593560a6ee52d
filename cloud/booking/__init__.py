"""Bookings: what a town's policy allows, what it costs, who decides, who gets a key.

The deciding parts are pure (`policy`, `hours`, `windows`, `fees`, `approval`, `states`,
`payments`); `lifecycle` and its neighbours bring them to the database.
"""
