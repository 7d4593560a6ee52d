"""What the clerk's console shows: today, doors, alarms, the record, what all of it saved.

Reads and judges; the only thing changed here is who has seen to an alarm.
"""
