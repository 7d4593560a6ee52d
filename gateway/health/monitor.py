"""The health of a running gateway: what it tells the service manager, Prometheus, Home Assistant.

Decides nothing about doors and never holds up the machine: a port that is taken, a full disk or a
broker that is away cost what they would have shown, and the gateway works on. The one composition
point for gateway.app, which says when the machine rests and when a broker is connected, and is
asked for nothing but a survey.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.files import Place
from gateway.health import announcing, discovery, host, runnote
from gateway.health.notify import Notifier, Watchdog
from gateway.health.report import OutboxHead, Report
from gateway.machine import Survey
from kannuki.errors import KannukiError

if TYPE_CHECKING:
    from kannuki.mqtt import MqttLink

log = logging.getLogger(__name__)

STATUS_EVERY_S = 15.0


@dataclass(frozen=True)
class HealthOptions:
    """What `gateway run` was told. metrics: host and port, None for no page.

    home_assistant: the prefix of discovery, empty for none.
    """

    metrics: tuple[str, int] | None = None
    home_assistant: str = ""


class Monitor:
    """`wall`: Unix seconds of the town's clock. certificate_ends: asked for each report."""

    def __init__(
        self,
        options: HealthOptions,
        data_dir: Path,
        version: str,
        notifier: Notifier,
        watchdog: Watchdog,
        wall: Callable[[], float],
        certificate_ends: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._certificate_ends = certificate_ends
        self._options = options
        self._data_dir = data_dir
        self._version = version
        self._notifier = notifier
        self._watchdog = watchdog
        self._wall = wall
        self._started_at = wall()
        self._is_ready = False
        self._head = OutboxHead()
        self._greeting = asyncio.Lock()
        self._ledger = announcing.Ledger(data_dir / announcing.LEDGER_NAME)
        self._survey: Callable[[], Survey]
        self._place: Callable[[], Place]

    # --- the machine ---

    @property
    def rest_at_most_s(self) -> float:
        """How often the machine's task has to come by, even when nothing is due."""
        return self._watchdog.every_s

    def machine_rests(self, at: float) -> None:
        """The machine did all that was due; said by the one task that owns it, and by no other."""
        if not self._is_ready:
            self._is_ready = True
            self._notifier.tell(READY="1")
        self._watchdog.machine_rests(at)

    def stopping(self) -> None:
        """The end has begun."""
        self._notifier.tell(STOPPING="1", STATUS="saying goodbye")

    # --- beside the machine ---

    async def run(self, survey: Callable[[], Survey], place: Callable[[], Place]) -> None:
        """Serves metrics and tells the status, until cancelled."""
        self._survey, self._place = survey, place
        async with contextlib.AsyncExitStack() as stack:
            address = await self._serve(stack)
            self._write_note(stack, address)
            while True:
                self._notifier.tell(STATUS=self._status())
                await asyncio.sleep(STATUS_EVERY_S)

    async def greet(self, link: MqttLink, place: Place) -> None:
        """A broker is connected, or our locks are others: tell Home Assistant what is new."""

        async def retain(topic: str, payload: bytes) -> None:
            await link.publish(topic, payload, retain=True)

        prefix = self._options.home_assistant
        wanted = discovery.announcements(
            prefix, place.town, place.gateway_id, place.credentials, self._version
        )
        async with self._greeting:
            await announcing.announce(wanted if prefix else [], self._ledger, retain)

    def report(self) -> Report:
        """Everything that is known now."""
        survey, place = self._survey(), self._place()
        at = asyncio.get_running_loop().time()
        return Report(
            wall=self._wall(),
            town=place.town,
            gateway_id=place.gateway_id,
            version=self._version,
            started_at=self._started_at,
            survey=survey,
            outbox_head_s=self._head.age_s(survey.oldest_number, at),
            clock=host.clock_sync(),
            room=host.room(self._data_dir),
            credential_ends={
                lock: float(key.token.expires_at) for lock, key in place.credentials.items()
            },
            certificate_ends=dict(self._certificate_ends()),
        )

    async def _serve(self, stack: contextlib.AsyncExitStack) -> str:
        if self._options.metrics is None:
            return ""
        from gateway.health.metrics import Exposition
        from gateway.health.serving import serving

        name, port = self._options.metrics
        try:
            port = await stack.enter_async_context(serving(Exposition(self.report), name, port))
        except KannukiError as error:  # doors matter more than figures
            log.error("%s: %s", error, error.remedy)
            return ""
        log.info("metrics on http://%s:%d/metrics", name, port)
        return f"{name}:{port}"

    def _write_note(self, stack: contextlib.AsyncExitStack, metrics: str) -> None:
        try:
            runnote.write(self._data_dir, self._version, metrics)
            stack.callback(runnote.withdraw, self._data_dir)
        except KannukiError as error:
            log.warning("gateway check will not find this gateway: %s", error)

    def _status(self) -> str:
        report = self.report()
        survey = report.survey
        reached = sum(state is not None and state.reachable for state in survey.locks.values())
        broker = "broker connected" if survey.is_online else "no broker"
        waiting = "disk fails" if survey.waiting_events is None else f"{survey.waiting_events} wait"
        return f"{broker}; {reached} of {len(survey.locks)} locks reached; events: {waiting}"
