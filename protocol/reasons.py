"""Why a lock did not do what was asked: stable numbers, forever.

The law of this table: append only. A number is never reused and never changes its meaning; the
name is also the key of its text in every language (kannuki/texts). Numbers below 32 can be told
to a peer that has not proved anything and are advisory then; the others only follow a valid MAC.
"""

MALFORMED = 1  # not a message of this protocol
UNSUPPORTED_VERSION = 2  # no common wire version
WRONG_LOCK = 3  # the token names another lock
UNKNOWN_ISSUER = 4  # no such key, or no such vault epoch, on this lock
BAD_MAC = 5  # the holder did not prove possession
BUSY = 6  # no free session slot
TOO_LARGE = 7  # a message beyond the stated bound
NO_SESSION = 8  # the message does not fit the state of the session
BAD_SIGNATURE = 32  # the issuer did not sign this token
NOT_ALLOWED_TO_ISSUE = 33  # the key's role does not cover what the token grants
NOT_YET_VALID = 34  # surely before the window; opens_at says when
EXPIRED = 35  # surely after the window
TIME_UNKNOWN = 36  # the lock cannot tell whether the window is open
SCOPE = 37  # the token does not grant this command
REVOKED = 38  # withdrawn by the town
JAMMED = 39  # the bolt did not reach its end stop
STORAGE = 40  # the lock could not record the opening, so it did not open
SPENT = 41  # a single opening that has been used
TIME_REJECTED = 42  # signed time that contradicts a healthy clock or the floor, or another nonce
OTHER_BASE = 43  # a delta from a version that this lock does not hold: send the whole
PIN_REFUSED = 44  # a wrong PIN, or not its time
PIN_WAIT = 45  # after wrong PINs the keypad rests; the right one is refused too
PIN_DISABLED = 46  # a hundred wrong PINs: staff must clear the keypad
PIN_NOT_HERE = 47  # this door takes no PINs
FULL = 48  # no room left for what was brought: try again later

NAMES = {
    MALFORMED: "MALFORMED",
    UNSUPPORTED_VERSION: "UNSUPPORTED_VERSION",
    WRONG_LOCK: "WRONG_LOCK",
    UNKNOWN_ISSUER: "UNKNOWN_ISSUER",
    BAD_MAC: "BAD_MAC",
    BUSY: "BUSY",
    TOO_LARGE: "TOO_LARGE",
    NO_SESSION: "NO_SESSION",
    BAD_SIGNATURE: "BAD_SIGNATURE",
    NOT_ALLOWED_TO_ISSUE: "NOT_ALLOWED_TO_ISSUE",
    NOT_YET_VALID: "NOT_YET_VALID",
    EXPIRED: "EXPIRED",
    TIME_UNKNOWN: "TIME_UNKNOWN",
    SCOPE: "SCOPE",
    REVOKED: "REVOKED",
    JAMMED: "JAMMED",
    STORAGE: "STORAGE",
    SPENT: "SPENT",
    TIME_REJECTED: "TIME_REJECTED",
    OTHER_BASE: "OTHER_BASE",
    PIN_REFUSED: "PIN_REFUSED",
    PIN_WAIT: "PIN_WAIT",
    PIN_DISABLED: "PIN_DISABLED",
    PIN_NOT_HERE: "PIN_NOT_HERE",
    FULL: "FULL",
}

_FIRST_AUTHENTICATED = 32


def name(reason: int) -> str:
    """The stable name of a reason; 'UNKNOWN_<n>' for a number newer than this table."""
    return NAMES.get(reason) or "UNKNOWN_{}".format(reason)


def needs_mac(reason: int) -> bool:
    """Whether a holder may believe this reason only under the lock's MAC."""
    return reason >= _FIRST_AUTHENTICATED
