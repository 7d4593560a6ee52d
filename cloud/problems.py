"""What a person is told when something cannot be done: a stable code, a text in three tongues.

Decides the HTTP status of each code; the words are in kannuki/texts, for Python and pages alike.
Texts never name a person, a key or a token; `{...}` places are filled with times, rooms and counts.
"""

from __future__ import annotations

from typing import Any

from kannuki import texts

STATUS: dict[str, int] = {
    "UNKNOWN_ROOM": 404,
    "OVERLAP": 409,
    "ENDS_BEFORE_START": 422,
    "IN_THE_PAST": 422,
    "TOO_LONG": 422,
    "TOO_FAR_AHEAD": 422,
    "THIS_AND_FUTURE": 422,
    "UNSUPPORTED_RULE": 422,
    "BROKEN_CALENDAR": 422,
    "UNKNOWN_KEY": 404,
    "BAD_DEVICE_KEY": 422,
    "TOO_EARLY_FOR_KEY": 425,
    "OTHER_DEVICE": 409,
    "BOOKING_CANCELLED": 410,
    "BOOKING_OVER": 410,
    "NOT_CONFIRMED": 409,
    "LOCK_NOT_READY": 409,
    "UNKNOWN_BOOKING": 404,
    "UNKNOWN_LOCK": 404,
    "UNKNOWN_ALARM": 404,
    "UNKNOWN_HOLDER": 404,
    "NOT_COLLECTED": 409,
    "NO_PIN_HERE": 409,
    "TOO_MANY_CUTS": 409,
    "REASON_NEEDED": 422,
    "TOO_LONG_FOR_STAFF": 422,
    "MAIL_OFF": 409,
    "OLD_JOURNAL": 409,
    "BAD_PARCEL": 422,
    "BAD_NONCE": 422,
    "FUTURE_CUT": 422,
    "NOT_STAFF": 401,
    "NO_TICKET": 401,
    "OTHER_LOCK": 403,
    "GATEWAY_OFFLINE": 503,
    "UNREACHABLE": 502,
    "TIMEOUT": 504,
    "RELAY_OVER": 410,
    "BUSY": 409,
    "RELAY_BUSY": 409,
    "RELAY_FAILED": 502,
    "REQUEST_TOO_LARGE": 413,
    "INVALID": 422,
    "NOT_FOUND": 404,
    "METHOD": 405,
    "TOO_MANY": 429,
    "TOWN_BUSY": 503,
    "VAULT_AWAY": 503,
    "OTHER_ORIGIN": 403,
    "NOT_JSON": 415,
    "FORBIDDEN": 403,
    "NOT_SIGNED_IN": 401,
    "UNKNOWN_PROVIDER": 404,
    "PROVIDER_UNREACHABLE": 502,
    "SIGN_IN_DENIED": 403,
    "SIGN_IN_FAILED": 403,
    "SIGN_IN_AGAIN": 403,
    "SIGN_IN_EXPIRED": 403,
    "LEVEL_TOO_LOW": 403,
    "LEVEL_OUT_OF_REACH": 403,
    "NAME_IS_VERIFIED": 409,
    "ALREADY_LINKED": 409,
    "LINKED_ELSEWHERE": 409,
    "LAST_LINK": 409,
    "UNKNOWN_SESSION": 404,
    "UNKNOWN_STAFF": 404,
    "UNKNOWN_PASSKEY": 404,
    "PASSKEY_REFUSED": 403,
    "INVITE_REFUSED": 403,
    "LAST_MANAGER": 409,
    "LAST_PASSKEY": 409,
    "TOO_MANY_PASSKEYS": 409,
    "TOO_SHORT_USE": 422,
    "TOO_LONG_USE": 422,
    "OUTSIDE_HOURS": 422,
    "CLOSED_DAY": 422,
    "CLOSED_WEEKDAY": 422,
    "NOT_ON_A_SLOT": 422,
    "TOO_SHORT_NOTICE": 422,
    "TOO_FAR_FOR_ROOM": 422,
    "QUOTA_REACHED": 409,
    "TOO_MANY_HOLDS": 409,
    "NO_INVOICE": 422,
    "ASSURANCE_TOO_LOW": 403,
    "TOO_MANY_PEOPLE": 422,
    "UNKNOWN_FACILITY": 404,
    "UNKNOWN_GROUP": 404,
    "UNKNOWN_NUMBER": 404,
    "ROOM_NOT_LENT": 409,
    "HOLD_OVER": 410,
    "CHANGED_MEANWHILE": 409,
    "TOO_LATE_TO_CHANGE": 409,
    "TOO_LATE_TO_CANCEL": 409,
    "CHANGE_NEEDS_CLERK": 409,
    "NOT_WAITING": 409,
    "BOOKING_ENDED": 410,
    "CANNOT_PAY_SO": 422,
    "NOTHING_TO_PAY": 409,
    "NO_REFUND_DUE": 409,
    "NOT_PAID_YET": 409,
    "TOO_MANY_HOLDERS": 409,
    "BAD_POLICY": 422,
    "BAD_SIGNATURE": 401,
    "UNKNOWN_PAYMENT": 404,
    "EXISTS_ALREADY": 409,
    "BOOKINGS_OPEN": 409,
    "FAULT": 500,
}


class Problem(Exception):
    """A request that is answered with a reason instead; a value for people, not a fault.

    A place whose value is `{"ja", "ja-simple", "en"}` is filled with each language's own.
    """

    def __init__(self, code: str, **places: Any) -> None:
        super().__init__(code)
        self.code = code
        self.status = STATUS[code]
        self.retry_after_s = int(places.get("seconds", 0))
        self._texts = {
            lang: texts.text(code, lang, **_in(lang, places)) for lang in texts.LANGUAGES
        }

    def body(self) -> dict[str, str]:
        """`{"code", "ja", "ja-simple", "en"}`."""
        return {"code": self.code, **self._texts}


def _in(lang: str, places: dict[str, Any]) -> dict[str, Any]:
    return {k: v.get(lang, "") if isinstance(v, dict) else v for k, v in places.items()}
