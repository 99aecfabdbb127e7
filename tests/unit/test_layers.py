"""Rooms of the package import downwards only (docs/architecture.md, "Who may import whom")."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "edgelake"

GROUND = {"errors", "limits", "nesting"}
CRAFTS = {"wire", "data", "language", "ledger", "storage", "platforms"}
SERVICES = CRAFTS | {"interfaces"} | GROUND
COMMANDS = SERVICES | {"services"}
PARTS = COMMANDS | {"commands"}
EDITING = {"language", "interfaces"} | GROUND
DOORS = PARTS | {"node", "client"}

# What each room may import besides itself. A new room must be given its place here.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "limits": set(),
    "nesting": {"limits"},
    "interfaces": GROUND,
    "_native": GROUND,
    "wire": {"_native", "interfaces"} | GROUND,
    "language": {"interfaces"} | GROUND,
    "ledger": {"interfaces"} | GROUND,
    "storage": {"interfaces"} | GROUND,
    "platforms": {"interfaces"} | GROUND,
    "data": {"interfaces"} | GROUND,
    "services": SERVICES,
    "commands": COMMANDS,
    "rest": PARTS | {"editing"},
    "node": PARTS | {"rest"},
    "client": PARTS,
    "editing": EDITING,
    "console": DOORS | {"editing"},
    "tools": {"commands", "language", "storage"} | GROUND,
    "cli": DOORS | {"console", "tools"},
    "__main__": {"cli"},
    "__init__": DOORS,
}
# The version is plain data of the package itself; all else of `edgelake` is its public front.
FREE_OF_THE_FRONT = "__version__"

NATIVE_IMPORT = re.compile(r"\s*(?:from\s+([\w.]+)\s+c?import\s+(.*)|c?import\s+([\w.]+))")


def room_of(path: Path) -> str:
    """Name the room of a file: the first folder or module below the package."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def room_imported(module: str, name: str) -> str | None:
    """Name the room that `from module import name` reaches; None outside the package."""
    parts = module.split(".")
    if parts[0] in {"tests", "bench", "grammar"}:
        return parts[0]
    if parts[0] != "edgelake":
        return None
    if len(parts) > 1:
        return parts[1]
    if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file():
        return name
    return None if name == FREE_OF_THE_FRONT else "__init__"


def imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, module and name of each import, also of those in functions and for types."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            folder = path.relative_to(ROOT).parent.parts
            base = ".".join(folder[: len(folder) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                yield node.lineno, module, alias.name


def native_imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, module and name of each import of a Cython file."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if match := NATIVE_IMPORT.match(line):
            module, names, plain = match.groups()
            for name in (names or "").split(","):
                yield number, module or plain, name.partition(" as ")[0].strip(" ()")


def faults(path: Path, room: str, found: Iterator[tuple[int, str, str]]) -> list[str]:
    """List the imports that leave the room upwards or sideways."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {room} imports {target}"
        for line, module, name in found
        if (target := room_imported(module, name)) not in {None, room, *MAY_IMPORT[room]}
    ]


def python_files() -> list[Path]:
    """List the sources of the package, stubs included."""
    return sorted(path for kind in ("*.py", "*.pyi") for path in PACKAGE.rglob(kind))


def test_every_room_has_its_place() -> None:
    rooms = {room_of(path) for path in python_files()}
    assert {"errors", "limits", "wire", "_native"} <= rooms
    assert rooms - MAY_IMPORT.keys() == set()


def test_python_imports_go_down_only() -> None:
    found = [
        fault for path in python_files() for fault in faults(path, room_of(path), imports(path))
    ]
    assert found == []


def test_native_imports_go_down_only() -> None:
    sources = sorted((ROOT / "pyx").rglob("*.p[yx][xd]"))
    assert sources
    assert [
        fault for path in sources for fault in faults(path, "_native", native_imports(path))
    ] == []


def test_examples_and_bench_use_the_package_without_its_native_part() -> None:
    sources = sorted([*(ROOT / "examples").rglob("*.py"), *(ROOT / "bench").rglob("*.py")])
    assert sources
    for path in sources:
        assert "_native" not in {
            room_imported(module, name) for _, module, name in imports(path)
        }, path


@pytest.mark.parametrize(
    ("room", "source", "fault"),
    [
        ("ledger", "from edgelake.errors import LedgerError", None),
        ("ledger", "from edgelake import limits", None),
        ("ledger", "from edgelake import __version__", None),
        ("ledger", "import json, lark", None),
        ("ledger", "from edgelake.storage import Home", "storage"),
        ("ledger", "from edgelake import storage", "storage"),
        ("ledger", "from edgelake import Node", "__init__"),
        ("ledger", "from ..storage.home import Home", "storage"),
        ("ledger", "from . import policy", None),
        ("ledger", "def late():\n    import edgelake.node", "node"),
        ("services", "from edgelake._native import Sender", "_native"),
        ("wire", "from edgelake._native import Sender", None),
        ("node", "from tests.tools import peer", "tests"),
    ],
)
def test_the_rule_itself_finds_faults(
    room: str,
    source: str,
    fault: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path = tmp_path / "edgelake" / room / "trial.py"
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    for other in ("storage", "errors", "limits"):
        (tmp_path / "edgelake" / f"{other}.py").touch()
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path / "edgelake")
    found = faults(path, room, imports(path))
    assert [text.rpartition(" ")[2] for text in found] == ([fault] if fault else [])


def test_the_rule_reads_native_files(tmp_path: Path) -> None:
    path = tmp_path / "trial.pyx"
    path.write_text(
        "from edgelake import limits as bounds, wire\n"
        "from edgelake._native.frame cimport (\n    Frame,\n)\n"
        "cimport cython\n",
        encoding="utf-8",
    )
    assert list(native_imports(path)) == [
        (1, "edgelake", "limits"),
        (1, "edgelake", "wire"),
        (2, "edgelake._native.frame", ""),
        (5, "cython", ""),
    ]
