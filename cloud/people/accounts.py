"""Residents' accounts: found or made at a sign-in, vouched for by dated facts, deleted on request.

Decides which account a verified person has, what the town keeps of it, and whether somebody is
known well enough for a facility. Invariant: an account is reached only through a provider's word
about the same subject; adding another provider needs a session of that very account.

What is kept: a name, and for each provider a keyed hash of its subject and a fact (level, resident,
adult, when, until when). What is deleted with the account: all of that and its sessions. What
stays: bookings, without name and contact (`forgets`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cloud.models import (
    Account,
    AccountFact,
    AccountLink,
    SignInAttempt,
    WebSession,
)
from cloud.people import attempts, sessions
from cloud.people.attempts import Attempt, RandomBytes
from cloud.people.levels import NONE, Level, highest, reaches
from cloud.people.numbers import number_of
from cloud.people.providers import ProviderTable
from cloud.people.relying_party import Verified
from cloud.people.sessions import Owner
from cloud.problems import Problem
from kannuki import texts

CONSENT_VERSION = 1  # raise it when the words of consent change in what they allow
MAX_LINKS = 5
Forget = Callable[[Session, str, int], None]


@dataclass(frozen=True)
class Standing:
    """How well the town knows somebody now: of facts that have not expired, the best.

    resident, adult: the newest word of those who said anything; None when nobody did.
    """

    level: Level = NONE
    resident: bool | None = None
    adult: bool | None = None


def begin(
    session: Session,
    attempt: Attempt,
    provider: str,
    return_to: str,
    link_to: str | None,
    now: int,
) -> None:
    """Keeps an attempt until its browser comes back; old ones go."""
    session.execute(delete(SignInAttempt).where(SignInAttempt.started_at <= now - attempts.LIVES_S))
    number, browser = attempt.row_ids()
    session.add(
        SignInAttempt(
            number_sha256=number,
            browser_sha256=browser,
            provider=provider,
            return_to=return_to,
            link_to=link_to,
            started_at=now,
        )
    )


def take(session: Session, attempt: Attempt, now: int) -> SignInAttempt | None:
    """The attempt's row, once: whoever comes second finds nothing."""
    number, browser = attempt.row_ids()
    row = session.get(SignInAttempt, number, with_for_update=True)
    if row is None or row.browser_sha256 != browser:
        return None
    session.delete(row)
    session.flush()
    return row if 0 <= now - row.started_at < attempts.LIVES_S else None


def sign_in(session: Session, verified: Verified, random_bytes: RandomBytes, now: int) -> Account:
    """The account of this person, made at the first sign-in."""
    link = session.get(AccountLink, verified.subject_hash)
    account = session.get(Account, link.account_id) if link else None
    if link is None or account is None:
        account = _new_account(session, random_bytes, now)
        link = _add_link(session, account, verified, now)
    _note_verified(session, account, link, verified, now)
    return account


def add_link(session: Session, account_id: str, verified: Verified, now: int) -> Account:
    """Another way into one's own account. Raises Problem when it leads into another's already."""
    account = session.get(Account, account_id)
    if account is None:
        raise Problem("NOT_SIGNED_IN")
    link = session.get(AccountLink, verified.subject_hash)
    if link is None:
        held = links(session, account_id)
        if len(held) >= MAX_LINKS or verified.fact.provider in {row.provider for row in held}:
            raise Problem("ALREADY_LINKED")
        link = _add_link(session, account, verified, now)
    elif link.account_id != account_id:
        raise Problem("LINKED_ELSEWHERE")
    _note_verified(session, account, link, verified, now)
    return account


def _new_account(session: Session, random_bytes: RandomBytes, now: int) -> Account:
    account = Account(
        account_id=random_bytes(12).hex(),
        name="",
        name_from="",
        consent_version=CONSENT_VERSION,
        consented_at=now,
        created_at=now,
        last_sign_in_at=now,
    )
    session.add(account)
    session.flush()
    return account


def _add_link(session: Session, account: Account, verified: Verified, now: int) -> AccountLink:
    link = AccountLink(
        subject_hash=verified.subject_hash,
        account_id=account.account_id,
        provider=verified.fact.provider,
        linked_at=now,
        last_used_at=now,
    )
    session.add(link)
    session.flush()
    return link


def _note_verified(
    session: Session, account: Account, link: AccountLink, verified: Verified, now: int
) -> None:
    account.last_sign_in_at = link.last_used_at = now
    account.consent_version, account.consented_at = CONSENT_VERSION, now
    _take_name(session, account, verified)
    told = verified.fact
    session.merge(
        AccountFact(
            town=account.town,
            account_id=account.account_id,
            provider=told.provider,
            level=told.level,
            resident=told.resident,
            adult=told.adult,
            verified_at=told.verified_at,
            expires_at=told.expires_at,
        )
    )


def _take_name(session: Session, account: Account, verified: Verified) -> None:
    """A provider's word is better than one's own; of two providers, the surer one's."""
    if not verified.name:
        return
    before = session.get(AccountFact, (account.account_id, account.name_from))
    if account.name_from in ("", verified.fact.provider) or (
        before is None or reaches(verified.fact.level, before.level)
    ):
        account.name, account.name_from = verified.name, verified.fact.provider


def rename(session: Session, account_id: str, name: str) -> Account:
    """One's own word for one's name; not over a provider's."""
    account = session.get_one(Account, account_id)
    if account.name_from:
        raise Problem("NAME_IS_VERIFIED")
    account.name = name
    return account


def links(session: Session, account_id: str) -> list[AccountLink]:
    """The ways into an account, oldest first."""
    query = select(AccountLink).where(AccountLink.account_id == account_id)
    return list(session.scalars(query.order_by(AccountLink.linked_at)))


def unlink(session: Session, account_id: str, provider: str) -> None:
    """Takes a way in off, with what came from there; the last one stays."""
    held = links(session, account_id)
    link = next((row for row in held if row.provider == provider), None)
    if link is None:
        raise Problem("UNKNOWN_PROVIDER")
    if len(held) == 1:
        raise Problem("LAST_LINK")
    session.delete(link)
    fact = session.get(AccountFact, (account_id, provider))
    if fact is not None:
        session.delete(fact)


def facts(session: Session, account_id: str) -> list[AccountFact]:
    """All that is known of somebody, newest first; also what has expired."""
    query = select(AccountFact).where(AccountFact.account_id == account_id)
    return list(session.scalars(query.order_by(AccountFact.verified_at.desc())))


def standing(session: Session, account_id: str, now: int) -> Standing:
    """How well somebody is known now."""
    live = [row for row in facts(session, account_id) if row.verified_at <= now < row.expires_at]
    return Standing(
        level=highest([row.level for row in live]),  # type: ignore[misc]
        resident=next((row.resident for row in live if row.resident is not None), None),
        adult=next((row.adult for row in live if row.adult is not None), None),
    )


def need_level(known: Standing, minimum: str, table: ProviderTable) -> None:
    """Raises Problem LEVEL_TOO_LOW, which says with what to sign in, when a facility asks for more.

    Where no provider of the town reaches the level, it says that the counter can help.
    """
    if minimum == NONE or reaches(known.level, minimum):
        return
    rows = table.reaching(minimum)
    if not rows:
        raise Problem("LEVEL_OUT_OF_REACH")
    names = {
        lang: texts.text("sign-in.or", lang).join(row.name.all()[lang] for row in rows)
        for lang in texts.LANGUAGES
    }
    raise Problem("LEVEL_TOO_LOW", how=names)


def delete_account(session: Session, account_id: str, forgets: list[Forget], now: int) -> None:
    """Deletes an account and signs it out. forgets: take its name from what stays, or refuse."""
    for forget in forgets:
        forget(session, account_id, now)
    sessions.end_all(session, Owner(account_id=account_id))
    for table in (AccountLink, AccountFact):
        session.execute(delete(table).where(table.account_id == account_id))
    session.execute(delete(SignInAttempt).where(SignInAttempt.link_to == account_id))
    session.execute(delete(Account).where(Account.account_id == account_id))


def me(session: Session, row: WebSession, table: ProviderTable, now: int) -> dict[str, Any]:
    """What somebody sees of their own account."""
    account = session.get_one(Account, row.account_id)
    known = standing(session, account.account_id, now)
    return {
        "account_id": account.account_id,
        "number": number_of(account.account_id),
        "name": account.name,
        "name_is_verified": bool(account.name_from),
        "level": known.level,
        "resident": known.resident,
        "adult": known.adult,
        "verified": [_fact_line(f, table, now) for f in facts(session, account.account_id)],
        "links": [
            {
                "provider": link.provider,
                "name": _provider_names(link.provider, table),
                "linked_at": link.linked_at,
                "last_used_at": link.last_used_at,
            }
            for link in links(session, account.account_id)
        ],
        "consent_version": account.consent_version,
        "signed_in_at": row.started_at,
    }


def _fact_line(fact: AccountFact, table: ProviderTable, now: int) -> dict[str, Any]:
    return {
        "provider": fact.provider,
        "name": _provider_names(fact.provider, table),
        "level": fact.level,
        "resident": fact.resident,
        "adult": fact.adult,
        "verified_at": fact.verified_at,
        "expires_at": fact.expires_at,
        "expired": not fact.verified_at <= now < fact.expires_at,
    }


def _provider_names(provider_id: str, table: ProviderTable) -> dict[str, str]:
    row = table.find(provider_id)
    return row.name.all() if row else dict.fromkeys(texts.LANGUAGES, provider_id)
