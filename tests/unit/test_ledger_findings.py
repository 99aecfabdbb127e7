"""The list of findings is whole, and the tests that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FINDINGS, GUARANTEES = 28, 10


def tables() -> list[list[tuple[int, list[str]]]]:
    """Return the rows of each table of the page: a number and the tests."""
    found: list[list[tuple[int, list[str]]]] = []
    for line in (ROOT / "docs/ledger-findings.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|---"):
            found.append([])
        elif line.startswith("|") and cells[0].isdigit():
            found[-1].append((int(cells[0]), re.findall(r"`([^`]+)`", cells[-1])))
    return found


def test_each_finding_and_each_guarantee_is_listed_once() -> None:
    findings, guarantees = tables()
    assert [number for number, _ in findings] == list(range(1, FINDINGS + 1))
    assert [number for number, _ in guarantees] == list(range(1, GUARANTEES + 1))


def test_each_has_tests_that_exist() -> None:
    for table in tables():
        for number, tests in table:
            assert tests, f"{number} has no test"
            for name in tests:
                path, _, test = name.partition("::")
                text = (ROOT / "tests" / path).read_text(encoding="utf-8")
                assert re.search(rf"^ *(def|class) {test}\b", text, re.MULTILINE), name
