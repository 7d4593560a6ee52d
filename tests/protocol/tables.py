"""Which constants are numbers of the wire, table by table, as the code has them.

`rows(table)` reads them from the modules; the vectors hold what they must be forever.
"""

from protocol import (
    audit,
    cbor,
    cose,
    crypto,
    ff1,
    frames,
    keys,
    keyset,
    lockconfig,
    lockstate,
    pin,
    reasons,
    session,
    signedtime,
    statuslist,
    timebound,
    verify,
)
from protocol import token as tokens

TABLES = {
    "message_types": (
        session,
        (
            "HELLO",
            "CHALLENGE",
            "PRESENTATION",
            "OUTCOME",
            "REQUEST",
            "REPLY",
            "REFUSAL",
        ),
    ),
    "commands": (
        session,
        (
            "COMMAND_UNLOCK",
            "COMMAND_UNLOCK_REMOTE",
            "COMMAND_LOCK",
            "COMMAND_SYNC",
            "COMMAND_HOLD_OPEN",
            "COMMAND_EVACUATE",
        ),
    ),
    "requests": (
        session,
        (
            "REQUEST_STATE",
            "REQUEST_AUDIT",
            "REQUEST_STATUS_PART",
            "REQUEST_STATUS_DELTA",
            "REQUEST_KEYSET",
            "REQUEST_CONFIG",
            "REQUEST_TIME",
            "REQUEST_TIME_RESET",
            "REQUEST_ACK",
            "REQUEST_HEAD",
            "REQUEST_TOKEN",
            "REQUEST_CLEAR_KEYPAD",
        ),
    ),
    "outcome_details": (
        session,
        (
            "DETAIL_OPENS_AT",
            "DETAIL_RELOCK_AFTER_MS",
            "DETAIL_HELD_UNTIL",
        ),
    ),
    "state": (
        lockstate,
        (
            "STATE_BOLT",
            "STATE_DOOR",
            "STATE_STATUS_VERSION",
            "STATE_HEAD_SEQ",
            "STATE_TIME_LO",
            "STATE_TIME_HI",
            "STATE_OLDEST_SEQ",
            "STATE_JOURNAL_EPOCH",
            "STATE_KEYSET_VERSION",
            "STATE_CONFIG_VERSION",
            "STATE_ACKED_SEQ",
            "STATE_KEYPAD",
            "STATE_HELD_OPEN",
            "STATE_LOST_RECORDS",
            "STATE_BATTERY",
            "STATE_FIRMWARE",
        ),
    ),
    "bolts": (
        lockstate,
        (
            "BOLT_UNKNOWN",
            "BOLT_LOCKED",
            "BOLT_UNLOCKED",
            "BOLT_MOVING",
            "BOLT_JAMMED",
        ),
    ),
    "leaves": (
        lockstate,
        (
            "LEAF_OPEN",
            "LEAF_CLOSED",
            "LEAF_UNKNOWN",
        ),
    ),
    "keypads": (
        lockstate,
        (
            "KEYPAD_READY",
            "KEYPAD_WAITS",
            "KEYPAD_DISABLED",
            "KEYPAD_OFF",
        ),
    ),
    "permissions": (
        tokens,
        (
            "UNLOCK",
            "UNLOCK_REMOTE",
            "LOCK",
            "HOLD_OPEN",
            "STATUS",
            "MAINTAIN",
            "EVACUATE",
        ),
    ),
    "roles": (
        keyset,
        (
            "ROLE_BOOKING",
            "ROLE_STAFF",
            "ROLE_STATUS",
            "ROLE_TIME",
            "ROLE_CONFIG",
            "ROLE_FIRMWARE",
            "ROLE_EMERGENCY",
            "ROLE_ACK",
        ),
    ),
    "figures": (
        lockconfig,
        (
            "FIGURE_RELOCK_AFTER_MS",
            "FIGURE_TRAVEL_TIMEOUT_MS",
            "FIGURE_SETTLE_MS",
            "FIGURE_HELD_AFTER_MS",
            "FIGURE_JAM_RETRY_MS",
            "FIGURE_DOUBT_S",
            "FIGURE_PIN_ALLOWED",
            "FIGURE_MAX_HOLD_S",
        ),
    ),
    "events": (
        audit,
        (
            "BOOT",
            "LOCK_OPERATION",
            "LOCK_OPERATION_ERROR",
            "DOOR_LOCK_ALARM",
            "DOOR_STATE",
            "STATUS_LIST",
            "KEYSET",
            "CONFIG",
            "TIME",
            "GAP",
            "PIN_ATTEMPT",
            "KEYPAD",
        ),
    ),
    "operations": (
        audit,
        (
            "OPERATION_LOCK",
            "OPERATION_UNLOCK",
            "OPERATION_HOLD_OPEN",
            "OPERATION_EVACUATE",
        ),
    ),
    "alarms": (
        audit,
        (
            "ALARM_JAMMED",
            "ALARM_FORCED",
            "ALARM_HELD",
            "ALARM_TAMPER",
            "ALARM_WRONG_CODE",
            "ALARM_KEYPAD_DISABLED",
            "ALARM_EMERGENCY_KEY",
            "ALARM_EVACUATION",
            "ALARM_TIME",
            "ALARM_FORK",
        ),
    ),
    "time_codes": (
        audit,
        (
            "TIME_CHECKPOINT",
            "TIME_SET",
            "TIME_RESET",
        ),
    ),
    "keypad_codes": (
        audit,
        ("KEYPAD_CLEARED",),
    ),
    "door_states": (
        audit,
        (
            "DOOR_OPEN",
            "DOOR_CLOSED",
        ),
    ),
    "sources": (
        audit,
        (
            "SOURCE_NONE",
            "SOURCE_HOLDER",
            "SOURCE_REMOTE",
            "SOURCE_AUTO",
            "SOURCE_BUTTON",
            "SOURCE_MANUAL",
            "SOURCE_KEYPAD",
        ),
    ),
    "fragment_header": (
        frames,
        (
            "FIRST",
            "LAST",
        ),
    ),
    "cose": (
        cose,
        (
            "ALG_ED25519",
            "TAG_SIGN1",
        ),
    ),
}

# Bounds and lengths. They may change with the wire version, but never unnoticed.
LIMITS = (
    (session, ("WIRE_VERSION", "NONCE_BYTES", "MAX_PRESENTATION_BYTES", "MAX_HELLO_BYTES", "OK")),
    (tokens, ("MAX_TOKEN_BYTES", "CTI_BYTES", "LOCK_ID_CHARS", "ALL_PERMISSIONS")),
    (tokens, ("MAX_WEEKLY_WINDOWS", "WEEK_MINUTES", "MAX_UTC_OFFSET_MINUTES")),
    (timebound, ("FOREVER",)),
    (frames, ("MIN_FRAGMENT_BYTES", "MAX_FRAGMENT_BYTES", "MAX_MESSAGE_BYTES")),
    (crypto, ("HASH_BYTES", "MAC_BYTES", "AES_BLOCK_BYTES")),
    (keys, ("KEY_BYTES", "KID_BYTES")),
    (keyset, ("MAX_KEYS", "MAX_VAULTS", "ROOTS", "MAX_TOWN_CHARS")),
    (lockconfig, ("MAX_GROUPS",)),
    (lockstate, ("MAX_FIRMWARE_CHARS",)),
    (signedtime, ("TIME_NONCE_BYTES", "MAX_ERROR_S")),
    (cose, ("SIGNATURE_BYTES",)),
    (cbor, ("MAX_DEPTH", "MAX_ITEM_BYTES")),
    (audit, ("MAX_RECORD_BYTES", "SALT_BYTES", "HEAD_NONCE_BYTES")),
    (statuslist, ("PREFIX_BYTES", "ENTRY_BYTES", "MAX_ENTRIES", "MAX_MIN_IAT_ROWS", "HOUR_S")),
    (verify, ("MAX_REMEMBERED", "MAX_AHEAD")),
    (ff1, ("MIN_DOMAIN", "MAX_LENGTH")),
    (pin, ("DIGITS", "QUARTER_S", "SERIALS", "PIN_NAME_BYTES", "LOOSE_DOUBT_S")),
)

MODULES = (
    audit,
    cbor,
    cose,
    crypto,
    ff1,
    frames,
    keys,
    keyset,
    lockconfig,
    lockstate,
    pin,
    session,
    signedtime,
    statuslist,
    timebound,
    tokens,
    verify,
)


def rows(table):
    """{name: number} of one table."""
    module, names = TABLES[table]
    return {name: getattr(module, name) for name in names}


def limits():
    """{name: number} of every bound."""
    return {name: getattr(module, name) for module, names in LIMITS for name in names}


def unlisted():
    """Public whole-number constants that no table holds: 'module.NAME' each."""
    listed = set(limits())
    for table in TABLES:
        listed.update(rows(table))
    return [
        "{}.{}".format(module.__name__, name)
        for module in MODULES
        for name in dir(module)
        if name[0] != "_"
        and name == name.upper()
        and type(getattr(module, name)) is int
        and name not in listed
    ]


def reason_rows():
    """One row per reason."""
    return [
        {"number": number, "name": reasons.NAMES[number], "needs_mac": reasons.needs_mac(number)}
        for number in sorted(reasons.NAMES)
    ]
