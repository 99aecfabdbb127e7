"""The top level holds what was agreed, and its files agree with one another."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

import edgelake

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "MANIFEST.in",
    "Makefile",
    "README.md",
    "bench",
    "docs",
    "edgelake",
    "examples",
    "grammar",
    "pyproject.toml",
    "pyx",
    "setup.py",
    "tests",
}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """Read the tables of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_top_level_is_as_agreed() -> None:
    ignored = [".git", *(ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    found = {
        path.name
        for path in ROOT.iterdir()
        if not any(fnmatch(path.name, pattern.rstrip("/")) for pattern in ignored)
    }
    assert found == TOP_LEVEL


POSSESSIVE = re.compile(r"(?<!\\)\)(?:[*+?]|\{[\d,]*\})\+")


@pytest.mark.parametrize("folder", ["edgelake", "grammar", "bench"])
def test_no_pattern_meets_the_fault_of_early_pythons(folder: str) -> None:
    """Possessive groups end with what lets Python before 3.11.5 step back."""
    sources = [p for kind in ("*.py", "*.lark") for p in (ROOT / folder).rglob(kind)]
    found = [
        (path.name, line)
        for path in sources
        for line in path.read_text(encoding="utf-8").splitlines()
        for match in POSSESSIVE.finditer(line)
        if not line[: match.start()].endswith(("|(?!)", "|(?!)."))
    ]
    assert found == []


def test_version_is_the_same_everywhere(project: dict[str, Any]) -> None:
    assert project["project"]["version"] == edgelake.__version__
    headings = re.findall(
        r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert any(edgelake.__version__ in heading for heading in headings)


def test_license_is_apache(project: dict[str, Any]) -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert project["project"]["license"] == "Apache-2.0"


def test_no_console_script_takes_the_place_of_the_launcher(
    project: dict[str, Any],
) -> None:
    assert "edgelake" not in project["project"].get("scripts", {})


def test_every_target_is_listed_by_make_and_phony() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    described = set(re.findall(r"^([a-z-]+):.*  ## \S", text, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    agreed = {"dev", "run", "demo", "test", "lint", "bench", "cli", "docs", "clean"}
    assert agreed <= targets
    assert phony is not None
    assert targets == described == set(phony[1].split())


def test_ci_runs_what_a_developer_runs() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100
    assert "set -euo pipefail" in lines
    assert [line for line in lines if line.startswith("make ")] == [
        "make lint",
        "make test",
    ]
