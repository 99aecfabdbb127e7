"""``edgelake check`` and ``edgelake fmt`` as programs."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edgelake import Node
from edgelake.commands import build_registry, network_commands
from edgelake.tools import TOOLS

CLEAN = "# fine\nset node_name = fen\nprint !node_name\n"
WRONG = "set x = 5\nprnt !x\nget status where format = yaml\nprint !nothing\n"


def run(folder: Path, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder without a home for nodes."""
    return subprocess.run(
        [sys.executable, "-m", "edgelake", *arguments],
        cwd=folder,
        env={**os.environ, "EDGELAKE_HOME": str(folder / "home")},
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_their_names_are_no_commands() -> None:
    first_words = {name.split()[0] for name in network_commands()}
    assert not first_words & TOOLS.keys()
    assert not build_registry().first_words() & TOOLS.keys()


def test_every_variable_of_a_new_node_is_known(tmp_path: Path) -> None:
    with Node(tmp_path / "home") as node:
        names = node.run("get dictionary where format = json").data
    (tmp_path / "a.al").write_text("".join(f"print !{name}\n" for name in names))
    assert run(tmp_path, "check", "a.al").stdout == ""


def test_check_of_a_clean_script_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.al").write_text(CLEAN)
    done = run(tmp_path, "check", "a.al")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.al"], "no home was made"


def test_check_tells_all_faults_with_their_places(tmp_path: Path) -> None:
    (tmp_path / "a.al").write_text(WRONG)
    done = run(tmp_path, "check", "a.al")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "a.al:2:1: error 141: unknown command 'prnt': did you mean 'print'?",
        "a.al:3:27: error 175: format: 'yaml' is not allowed: write table or json",
        "a.al:4:7: warning 138: '!nothing' gets no value in the script: give it one, or say that"
        " it has one: --define",
    ]
    assert done.stderr == "2 errors, 1 warning\n"


def test_warnings_alone_are_no_failure(tmp_path: Path) -> None:
    done = run(tmp_path, "check", "-", text="print !nothing !blockchain_file\n")
    assert done.returncode == 0
    assert done.stdout.startswith("<stdin>:1:7: warning 138:")
    assert done.stdout.count("\n") == 1


def test_scripts_that_may_give_the_values_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.al").write_text(
        "process !local_scripts/b.al x\nthread c.al\nprint !tide !wind\n"
    )
    (tmp_path / "b.al").write_text("set tide = 3\nif not !wind then set wind = 0\n")
    done = run(tmp_path, "check", "a.al")
    assert (done.returncode, done.stdout.count("warning 138")) == (0, 2)
    assert done.stderr.splitlines() == [
        "0 errors, 2 warnings",
        "note: these run scripts that were not given and may assign variables: b.al, c.al",
    ]
    done = run(tmp_path, "check", "b.al", "a.al")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_command_that_other_nodes_have_is_named(tmp_path: Path) -> None:
    name = next(name for name in network_commands() if build_registry().get(name) is None)
    done = run(tmp_path, "check", "-", text=f"{name} x\n")
    assert done.returncode == 1
    assert f"error 282: '{name}' is not available in this version" in done.stdout
    assert done.stderr == "1 error (1 not available in this version), 0 warnings\n"


def test_check_for_editors(tmp_path: Path) -> None:
    (tmp_path / "a.al").write_text(WRONG)
    done = run(tmp_path, "check", "--json", "a.al", "none.al")
    assert done.returncode == 1
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found[0] == {
        "file": "a.al",
        "line": 2,
        "column": 1,
        "end_column": 5,
        "severity": "error",
        "code": 141,
        "message": "unknown command 'prnt'",
        "hint": "did you mean 'print'?",
    }
    assert [(one["file"], one["code"]) for one in found[1:]] == [
        ("a.al", 175),
        ("a.al", 138),
        ("none.al", 12),
    ]


def test_values_are_known_from_other_files_and_from_outside(tmp_path: Path) -> None:
    (tmp_path / "a.al").write_text("print !x !y\nset z = 5\n")
    (tmp_path / "b.al").write_text("set x = 5\nprint !z\n")
    done = run(tmp_path, "check", "--define", "y=7", "a.al", "b.al")
    assert (done.returncode, done.stdout) == (0, "")
    assert run(tmp_path, "check", "a.al").stdout.count("warning") == 2
    assert run(tmp_path, "check", "--define", "y", "a.al").returncode == 2


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"print \xff\n", "1:7: error 2"),
        (b"\nprint (\xe9", "2:8: error 2"),
        (None, "1:1: error 12"),
    ],
)
def test_what_is_no_script_is_told(
    tmp_path: Path, tool: str, data: bytes | None, where: str
) -> None:
    if data is not None:
        (tmp_path / "a.al").write_bytes(data)
    done = run(tmp_path, tool, "a.al")
    assert done.returncode == 1
    assert f"a.al:{where}: " in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [[], ["--nosuch", "a.al"]])
@pytest.mark.parametrize("tool", TOOLS)
def test_wrong_usage(tmp_path: Path, tool: str, arguments: list[str]) -> None:
    done = run(tmp_path, tool, *arguments)
    assert done.returncode == 2
    assert f"usage: edgelake {tool}" in done.stderr
    assert run(tmp_path, tool, "--help").stdout.startswith(f"usage: edgelake {tool}")


def test_fmt_prints_scripts(tmp_path: Path) -> None:
    done = run(tmp_path, "fmt", "-", text="  set   x=5  # so\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "set x = 5 # so\n", "")


def test_fmt_names_what_would_change_and_writes_it(tmp_path: Path) -> None:
    odd, even = tmp_path / "odd.al", tmp_path / "even.al"
    odd.write_text("set   x=5\n")
    odd.chmod(0o640)
    even.write_text("set x = 5\n")
    before = even.stat()
    done = run(tmp_path, "fmt", "--check", "odd.al", "even.al")
    assert (done.returncode, done.stdout) == (1, "odd.al\n")
    assert odd.read_text() == "set   x=5\n"
    done = run(tmp_path, "fmt", "--write", "odd.al", "even.al")
    assert (done.returncode, done.stdout) == (0, "odd.al\n")
    assert odd.read_text() == "set x = 5\n"
    assert stat.S_IMODE(odd.stat().st_mode) == 0o640
    assert even.stat().st_ino == before.st_ino
    assert run(tmp_path, "fmt", "--check", "odd.al", "even.al").returncode == 0


def test_fmt_does_not_write_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.al"
    path.write_text("set   x=5\nprint (a\n")
    done = run(tmp_path, "fmt", "--write", "a.al")
    assert done.returncode == 1
    assert done.stderr.startswith("a.al:2:7: error 11: '(' is not closed")
    assert path.read_text() == "set   x=5\nprint (a\n"


def test_fmt_for_editors(tmp_path: Path) -> None:
    done = run(tmp_path, "fmt", "--json", "-", text="set   x=5\n")
    assert json.loads(done.stdout) == [
        {"file": "-", "changed": True, "errors": 0, "text": "set x = 5\n"}
    ]


def test_nobody_reads_the_answer(tmp_path: Path) -> None:
    (tmp_path / "a.al").write_text("prnt x\n" * 900)
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as nowhere:
        done = subprocess.run(
            [sys.executable, "-m", "edgelake", "check", "a.al"],
            cwd=tmp_path,
            stdout=nowhere,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "")
