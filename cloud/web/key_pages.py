"""What the key page needs besides claims: its offline worker, doors with stickers, links as codes.

Decides what anyone who stands before a door may know of it (its room and facility, never who is in
it), and which files a phone keeps for the day without signal. The worker's version is a digest of
those files: a change of any of them is another version, nothing else is.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path as FilePath
from typing import Any

import segno
from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import FileResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import bookings, keylinks
from cloud.database import town_of
from cloud.models import Facility, Lock
from cloud.problems import Problem
from cloud.web import limits
from cloud.web.api_models import Request, Secret
from cloud.web.context import ApiContext
from cloud.web.credentials import limited
from cloud.web.static import PAGES, TEXTS


class KeyLinkShown(Request):
    """A link that its owner wants to see as a picture."""

    secret: str = Secret


_LOCK = Path(pattern=r"^[a-z2-7]{8}$")
_KEPT = (".js", ".css", ".svg", ".png", ".webmanifest", ".json")
_NOT_KEPT = ("sw.js", "index.html")


def key_page_routes(context: ApiContext) -> APIRouter:
    """Routes of the key site alone."""
    router = APIRouter()
    _page_files(router)
    _doors(router, context)
    _codes(router, context)
    return router


def door_address(key_page_url: str, lock_id: str) -> str:
    """What a door's sticker says; whoever has a key of that door on the phone sees it there."""
    return f"{key_page_url.rstrip('/')}/d/{lock_id}"


def _page_files(router: APIRouter) -> None:
    @router.get("/sw.js", include_in_schema=False)
    def worker() -> Response:
        """The service worker, with the list of what it keeps."""
        return Response(worker_source(), media_type="text/javascript")

    @router.get("/d/{lock_id}", include_in_schema=False)
    def sticker(lock_id: str = _LOCK) -> FileResponse:
        """Where a door's sticker leads: the page finds the visitor's own key, or explains."""
        return FileResponse(PAGES / "key" / "index.html")


def _doors(router: APIRouter, context: ApiContext) -> None:
    service = context.service

    @router.get("/v1/doors/{lock_id}", dependencies=[Depends(limited(context))])
    def door(lock_id: str = _LOCK) -> dict[str, Any]:
        """Whose door this is, for anyone who stands before it."""
        with service.database.read() as session:
            told = door_line(session, lock_id)
        if told is None:
            raise Problem("UNKNOWN_LOCK")
        return told | {"book_url": context.urls.book or None}


def door_line(session: Session, lock_id: str) -> dict[str, Any] | None:
    """What anyone may know of a door: its room and house, by language; None where none hangs."""
    lock = session.scalar(select(Lock).where(Lock.lock_id == lock_id))
    room = bookings.find_room(session, lock.room_id) if lock and lock.room_id else None
    if room is None:
        return None
    house = session.get(Facility, (town_of(session), room.facility_id))
    facilities = json.loads(house.names) if house else {}
    return {
        "lock_id": lock_id,
        "room": room.name,
        "facility": facilities.get("ja", ""),
        "rooms": json.loads(room.names),
        "facilities": facilities,
        "phone": house.phone if house else "",
    }


def _codes(router: APIRouter, context: ApiContext) -> None:
    service = context.service

    @router.post("/v1/keys/qr", dependencies=[Depends(limited(context, limits.SECRET))])
    def code(shown: KeyLinkShown) -> dict[str, str]:
        """A living key link as a QR code (SVG), to be read by another phone."""
        with service.database.read() as session:
            keylinks.booking_of_secret(session, shown.secret)
        return {"svg": qr_svg(service.key_link(shown.secret))}


def qr_svg(content: str) -> str:
    """A QR code of its own quiet zone, dark on white."""
    drawn = io.BytesIO()
    made = segno.make(content, error="m", micro=False)
    made.save(drawn, kind="svg", scale=1, border=4, light="#fff", xmldecl=False, omitsize=True)
    return drawn.getvalue().decode()


@cache
def worker_source() -> str:
    """sw.js behind the list of the files that it keeps and their version."""
    files = dict(_kept_files())
    digest = hashlib.sha256()
    for address, file in sorted(files.items()):
        digest.update(f"{address}\n".encode() + file.read_bytes())
    code = (PAGES / "key" / "sw.js").read_text(encoding="utf-8")
    digest.update(code.encode())
    kept = {"version": digest.hexdigest()[:16], "files": sorted(files)}
    return f"const PRECACHE = {json.dumps(kept)};\n{code}"


def _kept_files() -> Iterator[tuple[str, FilePath]]:
    """(address, file) of the page, its modules and its words."""
    yield "/", PAGES / "key" / "index.html"
    yield from _below("", PAGES / "key")
    yield from _below("/shared", PAGES / "shared")
    yield from _below("/protocol", PAGES / "protocol")
    yield from _below("/texts", TEXTS)


def _below(prefix: str, folder: FilePath) -> Iterator[tuple[str, FilePath]]:
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix in _KEPT and file.name not in _NOT_KEPT:
            yield f"{prefix}/{file.relative_to(folder).as_posix()}", file
