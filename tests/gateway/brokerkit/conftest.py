"""Brokers that last for a module: one as the kit configures it, one with planted holes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.brokerkit.brokers import Broker


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """As the kit wrote it."""
    made = Broker()
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def loose() -> Iterator[Broker]:
    """The same with planted holes: misaki.gw-1 may everything, names of sessions are free."""
    made = Broker()
    with open(made.acl("misaki"), "a") as acl:
        acl.write("\nuser misaki.gw-1\ntopic readwrite #\n")
    config = made.kit.config.read_text()
    made.kit.config.write_text(config.replace("use_username_as_clientid true\n", ""))
    made.start()
    yield made
    made.close()
