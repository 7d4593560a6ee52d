"""The job that ends holds which are over, so that pages show them as free without anyone booking.

Decides nothing else: whoever books sweeps the room anyway. A failure is logged and tried again.
"""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy.exc import DBAPIError

from cloud import bookings
from cloud.problems import Problem
from cloud.service import TownService

log = logging.getLogger(__name__)
EVERY_S = 20.0


def sweep_once(service: TownService) -> int:
    """Ends holds that are over; returns how many. Takes the write lock only when there are any."""
    now = service.clock()
    with service.database.read() as session:
        if not bookings.has_holds_over(session, now):
            return 0
    with service.database.write() as session:
        return bookings.sweep(session, now)


async def sweep_for_ever(service: TownService, every_s: float = EVERY_S) -> None:
    """Until cancelled."""
    while True:
        try:
            ended = await asyncio.to_thread(sweep_once, service)
        except (DBAPIError, Problem) as error:  # away, or busy: the next round does it
            log.warning("holds could not be swept: %s", type(error).__name__)
        else:
            if ended:
                log.info("%d holds are over", ended)
        await asyncio.sleep(every_s)
