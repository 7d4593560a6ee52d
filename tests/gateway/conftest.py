"""A gateway among fake locks, made to order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gateway.world import World


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., World]:
    """world(lock_ids, settings=..., ...)"""
    return lambda *args, **kwargs: World(tmp_path, *args, **kwargs)
