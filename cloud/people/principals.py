"""Who acts for the town, and what each role may do.

One table says it (ROLES). A grant holds for the whole town or for one facility; what belongs to a
facility needs a grant that covers it. Decides nothing about how somebody showed who they are.
"""

from __future__ import annotations

from dataclasses import dataclass

ROLES: dict[str, frozenset[str]] = {
    "clerk": frozenset(
        {
            "booking.read",
            "booking.change",
            "booking.approve",
            "booking.pay",
            "group.read",
            "group.change",
            "key.reissue",
            "key.pin",
            "door.open",
            "door.read",
            "closed-day.change",
            "alarm.read",
            "alarm.handle",
            "report.read",
        }
    ),
    "technician": frozenset(
        {"fleet.read", "door.read", "alarm.read", "alarm.handle", "lock.change"}
    ),
    "auditor": frozenset(
        {"booking.read", "audit.read", "action.read", "report.read", "alarm.read", "fleet.read"}
    ),
    "manager": frozenset({"*"}),
}
ACTIONS = frozenset().union(*ROLES.values()) - {"*"} | {
    "staff.read",
    "staff.change",
    "policy.change",
    "calendar.import",
}


@dataclass(frozen=True)
class Grant:
    """A role, in one facility or (None) in the whole town."""

    role: str
    facility_id: str | None = None

    def covers(self, facility_id: str | None) -> bool:
        """Whether something of this facility (None: of the town as a whole) is within it."""
        return self.facility_id is None or self.facility_id == facility_id


@dataclass(frozen=True)
class Principal:
    """A member of staff, or a program that shows the town's staff secret."""

    town: str
    staff_id: str
    name: str
    grants: tuple[Grant, ...]

    def may(self, action: str, facility_id: str | None = None) -> bool:
        """Whether this action is allowed on something of this facility."""
        return any(
            grant.covers(facility_id) and ROLES[grant.role] & {action, "*"} for grant in self.grants
        )

    def may_somewhere(self, action: str) -> bool:
        """Whether the action is allowed in any facility at all; what is shown is then filtered."""
        return any(ROLES[grant.role] & {action, "*"} for grant in self.grants)

    def facilities(self, action: str) -> frozenset[str] | None:
        """The facilities in which the action is allowed; None: all of the town's."""
        fitting = [grant for grant in self.grants if ROLES[grant.role] & {action, "*"}]
        if any(grant.facility_id is None for grant in fitting):
            return None
        return frozenset(grant.facility_id for grant in fitting if grant.facility_id)


def machine(town: str) -> Principal:
    """A program that shows the staff secret: it may do everything in its town."""
    return Principal(town, "machine", "machine", (Grant("manager"),))
