"""What every test of the house shares: its own folders, no network, no settings of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No KANNUKI_* variable and no settings file of the person who runs the tests gets in."""
    saved = dict(os.environ)
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith(("KANNUKI_", "XDG_"))]:
        del os.environ[name]
    os.environ["HOME"] = str(home)
    os.environ["XDG_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("run"))
    yield
    os.environ.clear()
    os.environ.update(saved)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder of the clone."""
    return Path(__file__).resolve().parent.parent
