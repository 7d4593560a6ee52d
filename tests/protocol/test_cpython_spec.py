"""The pages of docs/spec say what the code does: tables, addresses, the annotated token."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.machine import values
from kannuki import asyncapi, enrolment, messages
from protocol import (
    audit,
    gatt,
    keyset,
    lockconfig,
    pin,
    reasons,
    session,
    signedtime,
    statuslist,
)
from tests.protocol import tables
from tests.protocol.support import vectors

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "docs" / "spec"
PAGES = {name: (SPEC / name).read_text(encoding="utf-8") for name in ("wire.md", "token.md")}
ROW = re.compile(r"^\| (-?\d+) \| `([A-Z0-9_]+)` \|", re.MULTILINE)


def documented() -> dict[str, list[tuple[int, str]]]:
    """The rows of every marked table, in the order of the page."""
    found = {}
    for page in PAGES.values():
        for name, body in re.findall(r"<!-- table: (\w+) -->\n((?:\|.*\n)+)", page):
            found[name] = [(int(number), row) for number, row in ROW.findall(body)]
    return found


def in_code() -> dict[str, list[tuple[int, str]]]:
    made = {
        table: [(number, name) for name, number in tables.rows(table).items()]
        for table in tables.TABLES
    }
    made["reasons"] = list(reasons.NAMES.items())
    return made


@pytest.mark.parametrize("table", sorted(in_code()))
def test_the_table_of_the_page_is_the_one_of_the_code(table: str) -> None:
    assert sorted(documented()[table]) == sorted(in_code()[table])


def test_no_page_has_a_table_that_the_code_does_not() -> None:
    assert set(documented()) == set(in_code())


def test_every_row_of_a_marked_table_was_read() -> None:
    """A row that is mistyped must not slip through unread."""
    for page in PAGES.values():
        for name, body in re.findall(r"<!-- table: (\w+) -->\n((?:\|.*\n)+)", page):
            assert len(documented()[name]) == len(body.splitlines()) - 2, name


def test_the_bounds_of_figures_are_those_of_the_code() -> None:
    body = re.findall(r"<!-- table: figures -->\n((?:\|.*\n)+)", PAGES["wire.md"])[0]
    rows = re.findall(r"^\| (\d+) \| `\w+` \| (\d+) \| (\d+) \| (\d+) \|", body, re.MULTILINE)
    found = {int(figure): tuple(map(int, bounds)) for figure, *bounds in rows}
    assert found == {figure: row[1:] for figure, row in lockconfig.FIGURES.items()}


def test_the_documents_have_the_contexts_of_the_code() -> None:
    section = PAGES["wire.md"].split("## 7. Documents")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(kannuki-[\w-]+)` \|", section, re.MULTILINE)
    contexts = (
        keyset.CONTEXT,
        lockconfig.CONTEXT,
        signedtime.TIME_CONTEXT,
        signedtime.RESET_CONTEXT,
        statuslist.CONTEXT,
        audit.ACK_CONTEXT,
        audit.HEAD_CONTEXT,
    )
    assert found == [context.decode() for context in contexts]


def test_the_labels_of_the_page_are_those_of_the_vectors() -> None:
    for label in vectors("session")["labels"].values():
        assert f'"{label}" ||' in PAGES["wire.md"]


def test_the_lengths_of_pins_are_those_of_the_code() -> None:
    page = (SPEC / "pin.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (length code|quarters) \|(.*)\|$", page, re.MULTILINE)
    said = {name: [int(cell) for cell in cells.split("|")] for name, cells in rows}
    assert said["quarters"] == list(pin.LENGTHS_QUARTERS)
    assert said["length code"] == list(range(len(pin.LENGTHS_QUARTERS)))


def test_every_file_of_vectors_is_named_on_a_page() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in SPEC.glob("*.md"))
    files = [path.name for path in (ROOT / "protocol" / "vectors").glob("*.json")]
    assert [name for name in files if f"`{name}`" not in pages] == []


def test_the_version_of_the_page_is_the_one_of_the_code() -> None:
    assert f"wire version {session.WIRE_VERSION}." in PAGES["wire.md"]


def test_the_addresses_are_those_of_the_code() -> None:
    for uuid in (gatt.SERVICE_UUID, gatt.RX_UUID, gatt.TX_UUID):
        assert f"`{uuid}`" in PAGES["wire.md"]


def test_the_channels_are_those_of_the_messages() -> None:
    section = PAGES["wire.md"].split("## 9. MQTT")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", section, re.MULTILINE)
    found = {channel: set(re.findall(r"`(\w+)`", payloads)) for channel, payloads in rows}
    assert found == {name: set(c.payloads) for name, c in messages.CHANNELS.items()}


def test_the_errors_of_results_are_those_of_the_gateway() -> None:
    section = PAGES["wire.md"].split("## 9. MQTT")[1].split("\n## ")[0]
    said = {error for error in vars(values) if error.isupper() and getattr(values, error) == error}
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", section, re.MULTILINE)) == said


@pytest.mark.parametrize(
    "kind", [enrolment.TrustFile, enrolment.EnrolmentFile, enrolment.GatewayFile]
)
def test_the_files_have_the_members_of_the_page(kind: type[enrolment.TrustFile]) -> None:
    label = kind.model_fields["format"].default
    (members,) = re.findall(rf"^\| `{label}` \|.*\| (.*) \|$", PAGES["wire.md"], re.MULTILINE)
    named = re.sub(r" \[.*?\]", "", members).split(", ")
    assert named == [name for name in kind.model_fields if name != "format"]


def test_the_annotated_token_is_the_first_vector() -> None:
    block = PAGES["token.md"].split("<!-- example: token -->\n```\n")[1].split("```")[0]
    spelt = "".join(_hex_of(line) for line in block.splitlines())
    first = vectors("token")["tokens"][0]
    assert spelt == first["token"]
    assert f"exp: {first['claims']['expires_at']}," in block
    assert f"nbf: {first['claims']['not_before']}," in block


def _hex_of(line: str) -> str:
    """The bytes of a line: groups of hex before the remark, which two blanks set apart."""
    return re.split(r"(?<=\S)\s{2,}", line)[0].replace(" ", "")


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in [*SPEC.glob("*.md"), *(ROOT / "docs" / "adr").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_kept_asyncapi_document_is_the_one_of_the_models() -> None:
    asyncapi.main(["--check", str(SPEC / "asyncapi.json")])


def test_every_test_that_the_threat_page_names_exists() -> None:
    files = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("hil_tests/test_*.py")]
    known = "".join(path.read_text(encoding="utf-8") for path in files)
    names = re.findall(r"`(test_\w+)`", (SPEC / "threats.md").read_text(encoding="utf-8"))
    assert len(names) > 20
    assert [name for name in names if f"def {name}(" not in known] == []
