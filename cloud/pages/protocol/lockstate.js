/** The map with which a lock answers REQUEST_STATE (protocol/lockstate.py): append only. */

export const STATE_BOLT = 1;
export const STATE_DOOR = 2;
export const STATE_STATUS_VERSION = 3;
export const STATE_HEAD_SEQ = 4;
export const STATE_TIME_LO = 5;
export const STATE_TIME_HI = 6;
export const STATE_OLDEST_SEQ = 7;
export const STATE_JOURNAL_EPOCH = 8;
export const STATE_KEYSET_VERSION = 9;
export const STATE_CONFIG_VERSION = 10;
export const STATE_ACKED_SEQ = 11;
export const STATE_KEYPAD = 12;
export const STATE_HELD_OPEN = 13;
export const STATE_LOST_RECORDS = 14;
export const STATE_BATTERY = 15;
export const STATE_FIRMWARE = 16;

export const BOLT_UNKNOWN = 0;
export const BOLT_LOCKED = 1;
export const BOLT_UNLOCKED = 2;
export const BOLT_MOVING = 3;
export const BOLT_JAMMED = 4;

export const LEAF_OPEN = 0;
export const LEAF_CLOSED = 1;
export const LEAF_UNKNOWN = 2;

export const KEYPAD_READY = 0;
export const KEYPAD_WAITS = 1;
export const KEYPAD_DISABLED = 2;
export const KEYPAD_OFF = 3;
