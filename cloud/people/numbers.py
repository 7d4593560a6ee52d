"""The number by which somebody's account is named at a counter or on the telephone: ab12-cd34-ef.

Decides its form, the first ten letters of the account's id, and that only a whole number finds
anybody: nobody is looked for by parts. It is no secret and opens nothing.
"""

from __future__ import annotations

import re
import unicodedata

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.models import Account
from cloud.problems import Problem

LETTERS = 10
_WHOLE = re.compile(r"[0-9a-f]{10,24}\Z")


def number_of(account_id: str) -> str:
    """As people read it, in fours."""
    shown = account_id[:LETTERS]
    return "-".join(shown[at : at + 4] for at in range(0, len(shown), 4))


def account_of(session: Session, told: str) -> Account:
    """Whose number this is, however it was typed; or whose whole id. Raises Problem."""
    plain = re.sub("[^0-9a-z]", "", unicodedata.normalize("NFKC", told).casefold())
    account = session.get(Account, plain) if plain else None
    if account is not None:
        return account
    if not _WHOLE.match(plain):
        raise Problem("UNKNOWN_NUMBER")
    query = select(Account).where(Account.account_id.startswith(plain)).limit(2)
    found = session.scalars(query).all()
    if len(found) != 1:  # two of one number: the whole id is needed
        raise Problem("UNKNOWN_NUMBER")
    return found[0]
