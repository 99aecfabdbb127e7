"""The node of ``make run``: examples/standalone.al, on ports that are free."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgelake import Node
from tests.http_calls import Caller, rest_port

SCRIPT = Path(__file__).parents[2] / "examples" / "standalone.al"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The example, with ports that the system chooses."""
    text = SCRIPT.read_text(encoding="utf-8")
    for port in ("32048", "32049"):
        assert f"port = {port}" in text
        text = text.replace(f"port = {port}", "port = 0")
    changed = tmp_path / "standalone.al"
    changed.write_text(text, encoding="utf-8")
    return changed


def test_it_prints_the_address_of_its_console(script: Path, tmp_path: Path) -> None:
    with Node(tmp_path / "home") as node:
        said = node.run(f"process {script}").text
        port = rest_port(node)
        assert f"console in the browser: http://127.0.0.1:{port}" in said
        assert Caller(port)("GET", accept="text/html").status == 200


def test_without_the_libraries_it_says_so_and_goes_on(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "edgelake.services.http", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with Node(tmp_path / "home") as node:
        said = node.run(f"process {script}").text
        (line,) = [line for line in said.splitlines() if "browser" in line]
        assert "pip install 'edgelake[rest]'" in line
        states = node.run("get processes where format = json").data
        assert states["REST"]["Status"] == "Not declared"
        assert states["Blockchain Sync"]["Status"] == "Running"
        errors = node.run("get error log where format = json").data
        assert any("uvicorn" in found["Text"] for found in errors)
