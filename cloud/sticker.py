"""A door's sticker: a sheet (A6) with the room's name and the door's address as a QR code, and the
same address for an NFC tag.

Decides how the sheet looks. The address says which door it is and nothing else: no secret, nobody's
booking. Pure: no files, no clock.
"""

from __future__ import annotations

import io
from xml.sax.saxutils import escape

import segno

from kannuki import texts

WIDTH_MM, HEIGHT_MM = 105, 148
_CODE_MM, _CODE_TOP_MM = 66, 41
_PNG_MODULE_PX = 24  # of a code of 33 modules: 66 mm at 380 dots per inch
_URI_PREFIXES = {"http://": 3, "https://": 4}
_WIDE = 0x2E80  # from here on a letter is as wide as high


def sheet(address: str, room: str, facility: str) -> str:
    """The sheet as SVG, in millimetres."""
    words = [texts.text("key.sticker", lang) for lang in texts.LANGUAGES]
    middle = WIDTH_MM / 2
    lines = [
        _text(facility, middle, 15, _fit(facility, 5), fill="#4d4d4d"),
        _text(room, middle, 29, _fit(room, 12), weight=700),
        _code(address),
        *(_text(each, middle, 119 + 6 * at, _fit(each, 4)) for at, each in enumerate(words)),
        _text(address, middle, 142, _fit(address, 3), fill="#4d4d4d"),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_MM}mm" height="{HEIGHT_MM}mm" '
        f'viewBox="0 0 {WIDTH_MM} {HEIGHT_MM}" font-family="Noto Sans JP, Noto Sans CJK JP, '
        f'Hiragino Sans, Meiryo, sans-serif">\n'
        f'<rect width="{WIDTH_MM}" height="{HEIGHT_MM}" fill="#fff"/>\n'
        f'<rect width="{WIDTH_MM}" height="4" fill="#000060"/>\n'
        f'<rect y="4" width="{WIDTH_MM}" height="1.5" fill="#ffd43d"/>\n'
        + "\n".join(lines)
        + "\n</svg>\n"
    )


def code_png(address: str) -> bytes:
    """The QR code alone, large enough to print."""
    drawn = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        drawn, kind="png", scale=_PNG_MODULE_PX, border=4
    )
    return drawn.getvalue()


def ndef_message(address: str) -> bytes:
    """What is written to an NFC tag: one URI record (NFC Forum, RTD URI 1.0)."""
    prefix, code = next(
        ((start, code) for start, code in _URI_PREFIXES.items() if address.startswith(start)),
        ("", 0),
    )
    payload = bytes([code]) + address.removeprefix(prefix).encode()
    if len(payload) > 255:
        raise ValueError("an address of this length does not fit a short record")
    return bytes([0xD1, 1, len(payload)]) + b"U" + payload


def _code(address: str) -> str:
    code = segno.make(address, error="q", micro=False)
    left = (WIDTH_MM - _CODE_MM) / 2
    modules = code.symbol_size(border=0)[0]
    drawn = code.svg_inline(border=0, omitsize=True, svgclass=None, lineclass=None)
    return (
        f'<g transform="translate({left} {_CODE_TOP_MM}) scale({_CODE_MM / modules:.5f})">'
        f"{drawn[drawn.index('<path') : drawn.index('</svg>')]}</g>"
    )


def _text(
    words: str, x: float, y: float, size: float, fill: str = "#1a1a1a", weight: int = 400
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size:.2f}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="middle">{escape(words)}</text>'
    )


def _fit(words: str, largest: float) -> float:
    """The largest size at which a line stays within the sheet's margins."""
    letters = sum(1.0 if ord(letter) >= _WIDE else 0.6 for letter in words)
    return min(largest, (WIDTH_MM - 16) / max(letters, 1.0))
