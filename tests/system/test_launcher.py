"""The compiled command line, apart from edgelake: how it starts Python, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60

# Stands in for the package: does what its first argument says.
TRIAL_MAIN = """
import json, multiprocessing, signal, sys

if __name__ == "__main__":
    what = sys.argv[1]
    if what == "describe":
        print(json.dumps({
            "executable": sys.executable, "prefix": sys.prefix, "path": sys.path,
            "arguments": sys.argv[1:], "utf8": sys.flags.utf8_mode, "output": sys.stdout.encoding,
        }))
    elif what == "exit":
        sys.exit(int(sys.argv[2]))
    elif what == "children":
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            print(json.dumps(pool.map(abs, [-1, -2])))
    elif what == "wait":
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("waiting", flush=True)
        sys.stdin.read()
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment whose `bin/` holds the launcher."""

    folder: Path
    launcher: Path

    def run(
        self, *arguments: str, launcher: Path | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run the launcher to its end and return its output."""
        return subprocess.run(
            [launcher or self.launcher, *arguments],
            capture_output=True,
            check=False,
            encoding="utf-8",
            timeout=DEADLINE_S,
            **options,
        )

    def describe(self, *arguments: str, **options: Any) -> dict[str, Any]:
        """Return what the interpreter says of itself."""
        result = self.run("describe", *arguments, **options)
        assert result.returncode == 0, result.stderr
        described: dict[str, Any] = json.loads(result.stdout)
        return described


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Build the launcher with its own command into a new environment."""
    folder = tmp_path_factory.mktemp("launcher").resolve()
    made = venv.EnvBuilder(symlinks=True).ensure_directories(folder / "venv")
    venv.EnvBuilder(symlinks=True).create(folder / "venv")
    build = subprocess.run(
        [sys.executable, "setup.py", "build_scripts", "--build-dir", made.bin_path],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=DEADLINE_S,
    )
    assert build.returncode == 0, build.stderr
    assert ": warning: " not in build.stderr
    package = Path(made.env_dir, "lib", Path(os.__file__).parent.name, "site-packages", "edgelake")
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(TRIAL_MAIN, encoding="utf-8")
    return Environment(Path(made.env_dir), Path(made.bin_path, "edgelake"))


def test_finds_the_environment_it_lies_in(environment: Environment) -> None:
    described = environment.describe()
    assert described["prefix"] == str(environment.folder)
    assert described["executable"] == str(environment.launcher.with_name("python3"))


def test_a_link_from_elsewhere_leads_to_the_same_environment(
    environment: Environment, tmp_path: Path
) -> None:
    link = tmp_path / "edgelake"
    link.symlink_to(environment.launcher)
    assert environment.describe(launcher=link)["prefix"] == str(environment.folder)


def test_a_copy_elsewhere_uses_the_interpreter_that_built_it(
    environment: Environment, tmp_path: Path
) -> None:
    copy = Path(shutil.copy(environment.launcher, tmp_path))
    result = environment.run("--version", launcher=copy)
    ours = subprocess.run(
        [sys.executable, "-m", "edgelake", "--version"],
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert (result.returncode, result.stdout) == (ours.returncode, ours.stdout)
    assert result.returncode == 0


def test_arguments_pass_unread(environment: Environment) -> None:
    arguments = ["describe", "-c", "get status", "--version", "-X", "", "größe = 3 µm"]
    assert environment.describe(*arguments[1:])["arguments"] == arguments


def test_text_is_utf_8_in_any_locale(environment: Environment) -> None:
    described = environment.describe("日本", env={"LC_ALL": "POSIX"})
    assert described["arguments"] == ["describe", "日本"]
    assert described["utf8"] == 1
    assert described["output"].lower() == "utf-8"


def test_neither_folder_nor_variables_add_code(environment: Environment, tmp_path: Path) -> None:
    for name in ("json.py", "edgelake.py"):
        (tmp_path / name).write_text("raise SystemExit('foreign code')", encoding="utf-8")
    variables = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": str(tmp_path)}
    described = environment.describe(cwd=tmp_path, env=variables)
    assert str(tmp_path) not in described["path"]
    assert "" not in described["path"]


@pytest.mark.parametrize("status", [0, 1, 4, 255])
def test_exit_status_passes_through(environment: Environment, status: int) -> None:
    assert environment.run("exit", str(status)).returncode == status


def test_children_are_python_and_not_the_launcher(environment: Environment) -> None:
    result = environment.run("children")
    assert (result.returncode, result.stdout) == (0, "[1, 2]\n"), result.stderr


def test_an_interrupt_ends_it_as_it_ends_python(environment: Environment) -> None:
    with subprocess.Popen(
        [environment.launcher, "wait"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
