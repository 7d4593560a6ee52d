"""Where a room is, in the words of its house and its own: for the key page, slips and stickers.

Decides nothing. Every language is filled, with Japanese where the town wrote none.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from cloud.booking.places import facility_of, in_languages
from cloud.models import Room


def whereabouts(session: Session, room: Room | None) -> dict[str, Any]:
    """`room`, `facility`, `how_to_find` in Japanese and, in `words`, by language; `phone`."""
    if room is None:
        return {"room": "", "facility": "", "how_to_find": "", "phone": "", "words": {}}
    house = facility_of(session, room.facility_id)
    ways = (in_languages(house.find), in_languages(room.find))
    words = {
        "room": in_languages(room.names, room.name),
        "facility": in_languages(house.names),
        "how_to_find": {
            lang: "\n".join(way[lang] for way in (_address(house.address), *ways) if way[lang])
            for lang in ways[0]
        },
    }
    told = {name: by_language["ja"] for name, by_language in words.items()}
    return told | {"room": room.name, "phone": house.phone, "words": words}


def _address(address: str) -> dict[str, str]:
    return dict.fromkeys(("ja", "ja-simple", "en"), address)
