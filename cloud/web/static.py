"""The pages: files of cloud/pages and the texts, as they are."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

import kannuki
from cloud.web.context import Site

PAGES = Path(__file__).resolve().parents[1] / "pages"
TEXTS = Path(kannuki.__file__).resolve().parent / "texts"
_AT_A_DOOR = (Site.KEY, Site.CONSOLE)

# Not every machine's table knows them; a module with a wrong type does not run.
for _kind, _end in (
    ("text/javascript", ".js"),
    ("text/javascript", ".mjs"),
    ("application/manifest+json", ".webmanifest"),
    ("image/svg+xml", ".svg"),
    ("font/woff2", ".woff2"),
):
    mimetypes.add_type(_kind, _end)


def add_pages(app: FastAPI, site: Site) -> None:
    """Mounts a site's pages; call it after every route, for `/` takes what is left."""
    app.mount("/texts", StaticFiles(directory=TEXTS))
    app.mount("/shared", StaticFiles(directory=PAGES / "shared"))
    if site in _AT_A_DOOR:
        app.mount("/protocol", StaticFiles(directory=PAGES / "protocol"))
    app.mount("/", StaticFiles(directory=PAGES / site.value, html=True))
