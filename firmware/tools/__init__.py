"""Programs for developers about the firmware; none of them goes onto a lock."""
