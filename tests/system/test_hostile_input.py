"""Ten thousand lines of anything, by the console's and the script's door: answers, and no more."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from edgelake import Node
from edgelake.commands import build_registry
from edgelake.errors import EdgeLakeError, UndefinedVariable
from edgelake.language import LogicalLines, Variables, bind, format_error, parse
from edgelake.language.syntax import CommandStatement
from tests.language.reference_corpus import lines

CONSOLE_LINES = 7_000
SCRIPT_LINES = 3_000
MOST_MB = 600
# Runs a program and tells the most memory it had, in KiB: not that of any other child.
MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""
REGISTRY = build_registry()
CORPUS = [line.written for line in lines()]
PIECES = [
    *REGISTRY.names(),
    *(
        "where",
        "and",
        "or",
        "if",
        "then",
        "do",
        "else",
        "task",
        "for",
        "bring",
        "=",
        "==",
        "<",
        ">",
    ),
    *("(", ")", "[", "]", "{", "}", '"', "'", "`", "&", "#", "!", "!!", "$", "!x", "$X", "\\", ":"),
    *("format = json", "5", "a,b", "10.0.0.1:1", "\0", "\x1b[31m", "é", "\u2028", "\u202e", "\t"),
]
DEEP = [
    "(",
    "[",
    "{",
    '{"a":',
    "if (",
    "do ",
    "else ",
    "if !x then ",
    "x = ",
    "not ",
    "!a:",
    "a & ",
]
LONG = 1_000_000


class Anything(Variables):
    """Variables of which each has a value."""

    def get(self, name: str) -> str | None:
        return "x"


def runs(text: str) -> bool:
    """Return whether a text, or the first part of it, might run: such a line is left out."""
    for variables in (Variables({}, {}), Anything({}, {})):
        try:
            statements = parse(text, REGISTRY)
            if statements and isinstance(statements[0], CommandStatement):
                bind(statements[0], REGISTRY, variables)
            return bool(statements)
        except UndefinedVariable:
            continue
        except EdgeLakeError:
            return False
    return True


def hostile(rng: random.Random) -> Iterator[str]:
    """Yield lines that nobody means, all in one piece, without end."""
    yield "x" * LONG
    yield "print " + '"' * LONG
    yield "get status where " + "(" * LONG
    while True:
        kind = rng.randrange(5)
        if kind == 0:
            yield bytes(rng.randrange(256) for _ in range(rng.randrange(80))).decode("latin-1")
        elif kind == 1:
            text = rng.choice(CORPUS)
            yield text[: rng.randrange(len(text) + 1)]
        elif kind == 2:
            yield " ".join(rng.choices(PIECES, k=rng.randrange(1, 12)))
        elif kind == 3:
            yield "".join(rng.choices(PIECES, k=rng.randrange(1, 12)))
        else:
            yield rng.choice(DEEP) * rng.choice([3, 30, 300]) + rng.choice(PIECES)


def chosen(seed: int, count: int, *, script: bool) -> list[str]:
    """Return lines that are complete and run nothing."""
    found: list[str] = []
    for text in hostile(random.Random(seed)):
        line = " ".join(text.splitlines())
        reader = LogicalLines(script=script)
        try:
            ready = reader.feed(line)
        except EdgeLakeError:
            continue
        if reader.open or line.lstrip().startswith(":") or any(runs(part) for _, part in ready):
            continue
        found.append(line)
        if len(found) == count:
            return found
    raise AssertionError("unreachable")


def test_the_console_answers_every_line_and_lives(tmp_path: Path) -> None:
    given = chosen(1, CONSOLE_LINES, script=False)
    rng = random.Random(2)
    data = b"".join(
        # Some are no text at all.
        line.encode() + (b"\xff\xfe\n" if rng.randrange(20) == 0 else b"\n")
        for line in given
    )
    done = subprocess.run(
        [
            *(sys.executable, "-c", MEASURED),
            *(sys.executable, "-m", "edgelake", "--home", str(tmp_path / "home")),
        ],
        input=data + b"print still here\n",
        capture_output=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stdout + done.stderr
    assert b"internal error" not in done.stdout + done.stderr
    shown = done.stdout.decode().splitlines()
    assert "still here" in shown[-1]
    told = [line for line in shown if line.startswith("error ")]
    assert len(told) > CONSOLE_LINES // 2
    assert all(line.isprintable() and len(line) < 2000 for line in told)
    assert int(done.stderr.split()[-1]) < MOST_MB * 1024


def test_scripts_of_anything_end_with_a_place_or_go_on(tmp_path: Path) -> None:
    path = tmp_path / "any.al"
    with Node(tmp_path / "home") as node:
        path.write_text(
            "on error ignore\n"
            + "\n".join(chosen(3, SCRIPT_LINES, script=True))
            + "\nset end = reached\n"
        )
        node.run(f"process {path}")
        assert node.run("get !end").text == "reached"
        failed = 0
        for text in _few(random.Random(4), 300):
            path.write_text(text)
            error = failure(node, f"process {path}")
            if error is not None:
                failed += 1
                assert f"{path}, line " in str(error)
                assert format_error(error).isprintable()
        assert failed > 200
        assert node.run("get !end").text == "reached"


def failure(node: Node, text: str) -> EdgeLakeError | None:
    """Return the error of a command."""
    try:
        node.run(text)
    except EdgeLakeError as error:
        return error
    return None


def _few(rng: random.Random, count: int) -> Iterator[str]:
    """Yield short scripts that may be broken anywhere, and whose first command does not run."""
    source = hostile(rng)
    for _ in range(count):
        first = next(line for line in source if line.split() and not runs(" ".join(line.split())))
        rest = [" ".join(next(source).splitlines()) for _ in range(rng.randrange(4))]
        yield "\n".join([first, *(line for line in rest if not runs(line))])
