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
    lockstate,
    pin,
    reasons,
    session,
    statuslist,
    verify,
)
from protocol import token as tokens

TABLES = {
    "message_types": (
        session,
        ("HELLO", "CHALLENGE", "PRESENTATION", "OUTCOME", "REQUEST", "REPLY", "REFUSAL"),
    ),
    "commands": (
        session,
        ("COMMAND_UNLOCK", "COMMAND_UNLOCK_REMOTE", "COMMAND_LOCK", "COMMAND_SYNC"),
    ),
    "requests": (session, ("REQUEST_STATE", "REQUEST_AUDIT", "REQUEST_STATUS_LIST")),
    "outcome_details": (session, ("DETAIL_OPENS_AT", "DETAIL_RELOCK_AFTER_MS")),
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
        ),
    ),
    "bolts": (
        lockstate,
        ("BOLT_UNKNOWN", "BOLT_LOCKED", "BOLT_UNLOCKED", "BOLT_MOVING", "BOLT_JAMMED"),
    ),
    "leaves": (lockstate, ("LEAF_OPEN", "LEAF_CLOSED", "LEAF_UNKNOWN")),
    "permissions": (
        tokens,
        ("UNLOCK", "UNLOCK_REMOTE", "LOCK", "HOLD_OPEN", "STATUS", "MAINTAIN", "EVACUATE"),
    ),
    "roles": (verify, ("ROLE_BOOKING", "ROLE_STAFF", "ROLE_STATUS")),
    "events": (
        audit,
        (
            "BOOT",
            "LOCK_OPERATION",
            "LOCK_OPERATION_ERROR",
            "DOOR_LOCK_ALARM",
            "DOOR_STATE",
            "STATUS_LIST",
        ),
    ),
    "operations": (audit, ("OPERATION_LOCK", "OPERATION_UNLOCK")),
    "alarms": (audit, ("ALARM_JAMMED", "ALARM_FORCED", "ALARM_HELD", "ALARM_TAMPER")),
    "door_states": (audit, ("DOOR_OPEN", "DOOR_CLOSED")),
    "sources": (
        audit,
        (
            "SOURCE_NONE",
            "SOURCE_HOLDER",
            "SOURCE_REMOTE",
            "SOURCE_AUTO",
            "SOURCE_BUTTON",
            "SOURCE_MANUAL",
        ),
    ),
    "fragment_header": (frames, ("FIRST", "LAST")),
    "cose": (cose, ("ALG_ED25519", "TAG_SIGN1")),
}

# Bounds and lengths. They may change with the wire version, but never unnoticed.
LIMITS = (
    (session, ("WIRE_VERSION", "NONCE_BYTES", "MAX_PRESENTATION_BYTES", "MAX_HELLO_BYTES", "OK")),
    (tokens, ("MAX_TOKEN_BYTES", "CTI_BYTES", "LOCK_ID_CHARS", "ALL_PERMISSIONS")),
    (frames, ("MIN_FRAGMENT_BYTES", "MAX_FRAGMENT_BYTES", "MAX_MESSAGE_BYTES")),
    (crypto, ("HASH_BYTES", "MAC_BYTES")),
    (keys, ("KEY_BYTES", "KID_BYTES")),
    (cose, ("SIGNATURE_BYTES",)),
    (cbor, ("MAX_DEPTH", "MAX_ITEM_BYTES")),
    (audit, ("MAX_RECORD_BYTES",)),
    (statuslist, ("PREFIX_BYTES", "ENTRY_BYTES", "MAX_ENTRIES")),
    (verify, ("MAX_REMEMBERED",)),
    (ff1, ("MIN_DOMAIN", "MAX_LENGTH")),
    (pin, ("DIGITS", "QUARTER_S", "SERIALS", "PIN_HASH_BYTES", "LOOSE_DOUBT_S")),
)

MODULES = (
    audit,
    cbor,
    cose,
    crypto,
    ff1,
    frames,
    keys,
    lockstate,
    pin,
    session,
    statuslist,
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
