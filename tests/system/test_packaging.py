"""From the tree to a source archive, to a wheel, to an environment that never saw the tree."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import edgelake

ROOT = Path(__file__).parents[2]
DEADLINE_S = 600
SMOKE = """
import importlib.resources, sys
from edgelake import Client, MessageServer, Reply
assert sys.argv[1] not in sys.path
assert importlib.resources.files("edgelake.grammar").joinpath("command.lark").is_file()
answer = lambda message: Reply.ok("pong")
with MessageServer("127.0.0.1", 0, threads=1, handler=answer) as server:
    with Client("%s:%d" % server.address) as client:
        print(client.request("get status", timeout=30))
"""
# Compiling every module takes longer than the deadline of an ordinary test.
pytestmark = pytest.mark.timeout(DEADLINE_S)


def run(*command: str | Path, cwd: Path, timeout: float = DEADLINE_S) -> str:
    """Run a command to its end; return what it wrote, both streams."""
    result = subprocess.run(
        command,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
        timeout=timeout,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Name a folder outside the tree."""
    return tmp_path_factory.mktemp("packaging")


@pytest.fixture(scope="module")
def sdist(folder: Path) -> Path:
    """Make the source archive."""
    run(
        *(sys.executable, "setup.py", "-q", "egg_info", "--egg-base", folder),
        *("sdist", "--dist-dir", folder),
        cwd=ROOT,
    )
    (archive,) = folder.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(folder: Path, sdist: Path) -> Path:
    """Make the wheel from the source archive alone."""
    log = run(
        *(
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-v",
            "--no-build-isolation",
            "--no-deps",
        ),
        *("--disable-pip-version-check", "-w", folder, sdist),
        cwd=folder,
    )
    assert [line for line in log.splitlines() if ": warning: " in line] == []
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(folder: Path, wheel: Path) -> Path:
    """Install the wheel into a new environment; its dependencies are borrowed from ours."""
    target = folder / "venv"
    venv.create(target, symlinks=True)
    run(
        *(
            sys.executable,
            "-m",
            "pip",
            "--python",
            target / "bin" / "python",
            "install",
            "-q",
        ),
        *("--disable-pip-version-check", "--no-deps", "--no-index", wheel),
        cwd=folder,
    )
    # A plain entry: the .pth files in that folder, our editable install among them, stay unread.
    borrowed = next(target.glob("lib/python*/site-packages")) / "borrowed.pth"
    borrowed.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return target


def tree(*patterns: str) -> set[str]:
    """List files of the tree by their path."""
    return {
        str(path.relative_to(ROOT))
        for pattern in patterns
        for path in ROOT.glob(pattern)
        if path.is_file()
    }


def test_sdist_holds_every_source(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = tree("pyx/**/*.pyx", "pyx/**/*.pxd", "pyx/**/*.[ch]", "grammar/*.lark")
    wanted |= tree("edgelake/**/*.py", "edgelake/**/*.pyi", "edgelake/**/*.txt")
    wanted |= tree("edgelake/rest/pages/*")
    wanted |= tree("LICENSE", "README.md", "CHANGELOG.md")
    assert {"pyx/launcher.c", "LICENSE", "README.md", "CHANGELOG.md"} <= wanted
    assert wanted - held == set()
    assert [name for name in held if name.endswith((".so", ".pyc")) or "/." in name] == []


def test_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        launcher = archive.read(f"edgelake-{edgelake.__version__}.data/scripts/edgelake")
    assert launcher.startswith(b"\x7fELF")
    wanted = tree("edgelake/**/*.py", "edgelake/**/*.pyi", "edgelake/py.typed", "edgelake/**/*.txt")
    wanted |= tree("edgelake/platforms/*.json", "edgelake/rest/pages/*")
    wanted |= {f"edgelake/{name}" for name in tree("grammar/*.py", "grammar/*.lark")}
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    wanted |= {
        name.removeprefix("pyx/").removesuffix(".pyx") + suffix for name in tree("pyx/**/*.pyx")
    }
    info = f"edgelake-{edgelake.__version__}.d"
    assert {name for name in held if not name.startswith(info)} == wanted
    assert f"{info}ist-info/licenses/LICENSE" in held
    assert not any(name.endswith("entry_points.txt") for name in held)


def test_the_installed_command_line_runs(installed: Path, tmp_path: Path) -> None:
    for command in (
        [installed / "bin" / "edgelake"],
        [installed / "bin" / "python", "-m", "edgelake"],
    ):
        assert edgelake.__version__ in run(*command, "--version", cwd=tmp_path)


def test_the_installed_package_serves(installed: Path, tmp_path: Path) -> None:
    output = run(installed / "bin" / "python", "-c", SMOKE, str(ROOT), cwd=tmp_path)
    assert output == "pong\n"


def test_the_installed_modules_are_the_ones_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    output = run(
        *(installed / "bin" / "python", "-c"),
        "import edgelake.wire, edgelake._native; print(edgelake.__file__)",
        cwd=tmp_path,
    )
    assert Path(output.strip()).is_relative_to(installed)
