"""PostgreSQL as a child: it runs where it is installed, and says what to type where it is not."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from kannuki import postgres
from kannuki.errors import EXIT_MISSING, MissingPart

pytestmark = pytest.mark.slow


def test_server_answers_and_leaves_nothing_behind() -> None:
    with postgres.running_postgres() as url:
        folder = Path(psycopg.conninfo.conninfo_to_dict(url)["host"])
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT 6 * 7").fetchone() == (42,)
        assert folder.exists()
    assert not folder.exists()


def test_missing_server_ends_with_the_line_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_DEBIAN", tmp_path)
    monkeypatch.setenv("KANNUKI_PROGRAM_PATH", str(tmp_path))
    with pytest.raises(MissingPart, match="PostgreSQL") as missing, postgres.running_postgres():
        pass
    assert (missing.value.exit_code, "apt-get install" in missing.value.remedy) == (
        EXIT_MISSING,
        True,
    )
