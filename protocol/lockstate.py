"""The map with which a lock answers REQUEST_STATE: keys and codes, append only.

Values: BOLT and DOOR hold the codes below; versions and sequence numbers are unsigned; the times
are the ends of the lock's TimeBound in Unix seconds, hi null when nobody knows. Code 0 of BOLT and
2 of DOOR mean unknown; a lock of ours never says so, a reader must expect it.
"""

STATE_BOLT = 1
STATE_DOOR = 2
STATE_STATUS_VERSION = 3
STATE_HEAD_SEQ = 4
STATE_TIME_LO = 5
STATE_TIME_HI = 6
STATE_OLDEST_SEQ = 7
STATE_JOURNAL_EPOCH = 8
STATE_KEYSET_VERSION = 9
STATE_CONFIG_VERSION = 10
STATE_ACKED_SEQ = 11  # the newest record that the town has acknowledged
STATE_KEYPAD = 12
STATE_HELD_OPEN = 13  # false, or true while a hold-open or an evacuation lasts
STATE_LOST_RECORDS = 14  # events since the start that storage refused
STATE_BATTERY = 15  # per cent left, 0 to 100; a lock on mains does not say it
STATE_FIRMWARE = 16  # the firmware's version: text of 1 to MAX_FIRMWARE_CHARS characters

MAX_FIRMWARE_CHARS = 20

BOLT_UNKNOWN = 0
BOLT_LOCKED = 1
BOLT_UNLOCKED = 2
BOLT_MOVING = 3
BOLT_JAMMED = 4

LEAF_OPEN = 0
LEAF_CLOSED = 1
LEAF_UNKNOWN = 2

KEYPAD_READY = 0
KEYPAD_WAITS = 1
KEYPAD_DISABLED = 2
KEYPAD_OFF = 3
