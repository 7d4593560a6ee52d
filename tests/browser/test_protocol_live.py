"""The page's side of an opening at real lock cores: what is told, done, brought and carried home.

Every scenario runs in Node and in Chromium; the radio is made of the bridge's fragments here, and
real to the browser in the tests of the key page.
"""

from __future__ import annotations

import pytest

from tests.browser.protocol.runners import RUNTIMES, report_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_phones_at_real_locks(runtime: str) -> None:
    report = report_of(runtime, "./live.js")
    assert report["failures"] == []
    assert report["scenarios"] >= 24
    assert report["checks"] > 150
