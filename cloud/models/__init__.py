"""The tables of the towns: rooms, locks, bookings, credentials, what came home, what must go out.

Decides names, types and the constraints that both databases can state; what only one of them can
(no double booking) is in the migrations. Times are integer Unix seconds, UTC. No column holds a
proof key, a PIN or a link's secret: of a secret, only its SHA-256. Every row names its town.
"""

from cloud.models.base import Base, Setting, Town, TownKeyedRow, TownRow
from cloud.models.booking import (
    CANCELLED,
    CONFIRMED,
    HOLDS_ROOM,
    MAX_HELD_S,
    NO_OVERLAP,
    PENDING,
    Booking,
    BookingHolder,
    CalendarSeries,
)
from cloud.models.desk import AlarmMark
from cloud.models.documents import DocumentOutbox, LockSettings, StatusHistory, StatusOutbox
from cloud.models.facilities import MAIN, ClosedDay, Facility
from cloud.models.fleet import GatewayRow, LockReach, LockReport
from cloud.models.groups import Group, GroupEvidence, GroupMember
from cloud.models.keys import (
    Credential,
    IssuedPin,
    KeyDelivery,
    KeyLink,
    KeyWork,
    MinIssuedAt,
    StaffKey,
    TokenAhead,
)
from cloud.models.news import Alarm, AuditRecord, SeenHead
from cloud.models.payments import PaymentEntry, PaymentEvent, PaymentOrder
from cloud.models.people import (
    Account,
    AccountFact,
    AccountLink,
    Action,
    Passkey,
    PasskeyChallenge,
    SignInAttempt,
    StaffGrant,
    StaffInvite,
    StaffMember,
    WebSession,
)
from cloud.models.rooms import Lock, Room

__all__ = [
    "CANCELLED",
    "CONFIRMED",
    "HOLDS_ROOM",
    "MAIN",
    "MAX_HELD_S",
    "NO_OVERLAP",
    "PENDING",
    "Account",
    "AccountFact",
    "AccountLink",
    "Action",
    "Alarm",
    "AlarmMark",
    "AuditRecord",
    "Base",
    "Booking",
    "BookingHolder",
    "CalendarSeries",
    "ClosedDay",
    "Credential",
    "DocumentOutbox",
    "Facility",
    "GatewayRow",
    "IssuedPin",
    "KeyDelivery",
    "Group",
    "GroupEvidence",
    "GroupMember",
    "KeyLink",
    "KeyWork",
    "Lock",
    "LockReach",
    "LockReport",
    "LockSettings",
    "MinIssuedAt",
    "Passkey",
    "PasskeyChallenge",
    "PaymentEntry",
    "PaymentEvent",
    "PaymentOrder",
    "Room",
    "SeenHead",
    "Setting",
    "SignInAttempt",
    "StaffGrant",
    "StaffInvite",
    "StaffKey",
    "StaffMember",
    "StatusHistory",
    "StatusOutbox",
    "TokenAhead",
    "Town",
    "TownKeyedRow",
    "TownRow",
    "WebSession",
]
