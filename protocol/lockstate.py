"""The map with which a lock answers REQUEST_STATE: keys and codes, append only.

Values: BOLT and DOOR hold the codes below; versions and sequence numbers are unsigned; the times
are the ends of the lock's TimeBound in Unix seconds, or null. Code 0 of BOLT and 2 of DOOR mean
unknown; a lock of ours never says so, a reader must expect it.
"""

STATE_BOLT = 1
STATE_DOOR = 2
STATE_STATUS_VERSION = 3
STATE_HEAD_SEQ = 4
STATE_TIME_LO = 5
STATE_TIME_HI = 6
STATE_OLDEST_SEQ = 7
STATE_JOURNAL_EPOCH = 8

BOLT_UNKNOWN = 0
BOLT_LOCKED = 1
BOLT_UNLOCKED = 2
BOLT_MOVING = 3
BOLT_JAMMED = 4

LEAF_OPEN = 0
LEAF_CLOSED = 1
LEAF_UNKNOWN = 2
