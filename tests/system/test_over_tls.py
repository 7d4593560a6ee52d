"""The demo's town with certificates: service, broker and gateway as in production, doors simulated.

The broker's configuration and ACL are those that `kannuki gateway broker-config` writes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from kannuki.supervisor import ChildSpec
from simulator.demo.setup import GATEWAY, TOWN
from simulator.demo.town import RunningTown
from tests.kannuki.tls_town import Issued, Papers, tls_broker_spec
from tests.system.live import LiveTown, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]


class CertifiedTown(RunningTown):
    """As the demo's, but nobody speaks to the broker without a certificate."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.papers = Papers((self.folder.root / "papers").resolve(), TOWN)
        self.cloud_paper = self.papers.client("cloud")
        self.gateway_paper = self.papers.client(GATEWAY)

    async def _start_broker_and_cloud(self) -> None:
        server = self.papers.server(["127.0.0.1"])
        gateways = {GATEWAY: list(self.locks.values())}
        port, folder = self._ports["broker"], self.folder.broker.resolve()
        await self._start(tls_broker_spec(folder, port, self.papers, server, gateways))
        await self._start(self._cloud_spec())

    def _cloud_spec(self) -> ChildSpec:
        """Told by the environment."""
        env = {
            "KANNUKI_BROKER_CA": str(self.papers.ca),
            "KANNUKI_BROKER_CERT": str(self.cloud_paper.cert),
            "KANNUKI_BROKER_KEY": str(self.cloud_paper.key),
            "KANNUKI_BROKER_CRL": str(self.papers.crl),
        }
        return replace(super()._cloud_spec(), env=env)

    def _gateway_spec(self, bus: dict[str, str]) -> ChildSpec:
        """Told by flags."""
        spec, paper = super()._gateway_spec(bus), self.gateway_paper
        files = ("--broker-ca", str(self.papers.ca), "--broker-cert", str(paper.cert))
        return replace(spec, argv=(*spec.argv, *files, "--broker-key", str(paper.key)))


class LiveCertifiedTown(LiveTown):
    """One room is enough."""

    room_names = ("第1会議室",)
    make_running = CertifiedTown
    town: CertifiedTown

    def log(self, name: str) -> str:
        return (self.folder.logs / f"{name}.log").read_text()

    async def broker_says(self, words: str, times: int) -> None:
        async def said() -> bool:
            return (self.folder.broker / "broker.log").read_text().count(words) >= times

        await until(said, f"{times} times in the broker's log: {words}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveCertifiedTown]:
    async with LiveCertifiedTown(tmp_path_factory.mktemp("town")) as live:
        yield live


async def test_a_resident_opens_by_relay_and_the_record_comes_home(
    town: LiveCertifiedTown,
) -> None:
    await town.relay_works_again(town.locks[0])
    await town.record_is_home()
    log = (town.folder.broker / "broker.log").read_text()
    for name in ("cloud", GATEWAY):
        assert f"as {TOWN}.{name} (p5, c" in log
        assert f"u'{TOWN}.{name}'" in log


async def test_certificates_are_renewed_at_work_and_a_killed_broker_costs_no_record(
    town: LiveCertifiedTown,
) -> None:
    before = await town.facts()
    papers: list[Issued] = []
    for name in (GATEWAY, "cloud"):
        papers.append(town.town.papers.client(name))
        await town.unlock(town.locks[0], "relay")
    await town.broker_says("already connected, closing old connection", 2)
    town.kill("broker")
    await town.relay_works_again(town.locks[0])
    await town.record_is_home()
    await town.nothing_was_reset(before)
    for name in ("gateway", "cloud"):
        assert town.restarts(name) == 0
        assert "a renewed certificate, good until" in town.log(name)


async def test_a_gateway_told_to_stop_is_gone_at_the_town_and_ends_well(
    town: LiveCertifiedTown,
) -> None:
    await town.supervisor.stop_child("gateway")

    async def gone() -> bool:
        gateways = (await town.office.staff("GET", "fleet"))["gateways"]
        return [each["online"] for each in gateways] == [False]

    await until(gone, "the town knows that its gateway is away")
    assert town.supervisor.children["gateway"].exit_code == 0
    await town.supervisor.start_child("gateway")  # the town is shared, in any order
