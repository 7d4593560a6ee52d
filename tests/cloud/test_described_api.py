"""The HTTP interface against its own description: schemathesis invents requests, every answer is
one that the description promises, and none is a fault of ours. As a program of the town with all
rights, and as nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from cloud.relay import RelayHub
from cloud.web.apps import describe, every_route
from cloud.web.context import ApiContext
from cloud.web.limits import Limiter
from tests.cloud.support import FIRST, Town, open_town
from tests.cloud.web import STAFF

pytestmark = pytest.mark.slow
# What fits the description may still make no sense (it ends before it starts): 422 says so. So this
# one check of schemathesis does not apply; every other does.
EXAMPLES = settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


@contextmanager
def everything(folder: Path) -> Iterator[tuple[Town, Any]]:
    """A town with bookings, and an application with the routes of every site."""

    async def send(*_args: object) -> None:
        return None

    with open_town(folder) as town:
        town.take(FIRST)
        service, clock = town.service, town.clock
        hub = RelayHub(send, clock, clock, service.random_bytes, lambda: True, answer_within_s=0.01)
        limiter = Limiter(clock, 0)
        yield (
            town,
            every_route(
                ApiContext(service, "みさき市", hub, lambda: None, STAFF.encode(), limiter)
            ),
        )


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with everything(tmp_path_factory.mktemp("described")) as (_, app):
        yield schemathesis.openapi.from_asgi("/openapi.json", app)


OPERATIONS = [(method.upper(), path) for path, at in describe()["paths"].items() for method in at]


def attack(api: Any, method: str, path: str, headers: dict[str, str]) -> None:
    @given(case=api[path][method].as_strategy())
    @EXAMPLES
    def invented(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

    invented()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_program_with_all_rights_is_answered_as_described(api: Any, method: str, path: str) -> None:
    attack(api, method, path, {"Authorization": f"Bearer {STAFF}"})


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_nobody_is_answered_as_described(api: Any, method: str, path: str) -> None:
    attack(api, method, path, {})


def test_description_is_the_one_that_the_command_prints(api: Any) -> None:
    assert api.raw_schema["paths"].keys() == describe()["paths"].keys()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_place_in_a_path_is_described_under_its_own_name(method: str, path: str) -> None:
    """FastAPI keeps the first name of a Path object that two parameters share."""
    described = {
        parameter["name"]
        for parameter in describe()["paths"][path][method.lower()].get("parameters", [])
        if parameter["in"] == "path"
    }
    assert described == set(re.findall(r"{(\w+)}", path))
