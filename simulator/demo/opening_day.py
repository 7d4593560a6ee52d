"""The demo town lets people in: a room is lent by rules on the booking site, a clerk is invited.

Runs after the story, so that what the story books is not bound by the rules. Decides nothing: the
office's own interface is used, as a manager would.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from simulator.demo.office import Office

FACILITY = "kominkan"
_POLICY = Path(__file__).resolve().parents[1] / "data" / "demo-policy.json"
_FACTS = {
    "name": {
        "ja": "中央公民館（架空）",
        "ja-simple": "ちゅうおう こうみんかん",
        "en": "Central hall",
    },
    "address": "みさき市みさき1-1（架空）",
    "find": {
        "ja": "正面玄関を入り、右の階段で2階へ。",
        "ja-simple": "げんかんを はいります。みぎの かいだんで 2かいへ いきます。",
        "en": "Enter by the main door and take the stairs on the right to the second floor.",
    },
    "phone": "0120-000-000",
}
_MANAGER = {"name": "窓口 花子", "grants": [{"role": "manager"}]}


@dataclass(frozen=True)
class Invitation:
    """`link`: where the first clerk registers a passkey, good once."""

    room: str
    link: str


async def open_to_people(office: Office) -> Invitation:
    """Lends the last room by rules, and invites a manager. Raises Refused, OSError."""
    rooms = await office.public("GET", "rooms")
    room = [each for each in rooms if each["lock_id"]][-1]
    await office.staff("PUT", f"facilities/{FACILITY}", _FACTS)
    policy = json.loads(_POLICY.read_text(encoding="utf-8"))
    await office.staff("PUT", f"facilities/{FACILITY}/policy", policy)
    await office.staff("PUT", f"rooms/{room['room_id']}", {"facility_id": FACILITY})
    invited = await office.staff("POST", "people", _MANAGER)
    return Invitation(room["name"], invited["invite_link"])
