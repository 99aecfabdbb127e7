"""What a person at the console is told of logs and messages, in a real terminal."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.secretive import PASSWORD
from tests.system.conftest import binary
from tests.system.test_console import LISTEN, Terminal, listening_at
from tests.system.test_ending import tell
from tests.waiting import eventually


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Terminal]:
    """A console that is ready."""
    made = Terminal(f"logs-{os.getpid()}-{tmp_path.name}", tmp_path / "home")
    try:
        made.shows("EL >")
        yield made
    finally:
        made.close()


def last_line(terminal: Terminal) -> str:
    """Return the line of the prompt."""
    return terminal.screen().rstrip().splitlines()[-1].rstrip()


def test_the_prompt_tells_of_unread_messages(console: Terminal) -> None:
    console.type(LISTEN, "Enter")
    address = listening_at(console)
    console.type("set echo queue on & print it is on", "Enter")
    console.shows("\nit is on")
    eventually(lambda: last_line(console) == "EL >", "the prompt")
    tell(address, b"gate open")
    # Nobody presses a key.
    eventually(lambda: last_line(console) == "EL +>", "the prompt that tells of a message")
    assert "gate open" not in console.screen()
    console.type("get echo queue", "Enter")
    console.shows("gate open")
    eventually(lambda: last_line(console) == "EL >", "the prompt without messages")


def test_a_password_is_not_in_the_history_file(console: Terminal, tmp_path: Path) -> None:
    console.type(
        f"connect dbms x where type = sqlite and colour = red and password = {PASSWORD}", "Enter"
    )
    console.shows("has no option 'colour'")
    console.type("<connect dbms x where type = sqlite and password =", "Enter")
    console.shows("\n   >")
    console.type(f"{PASSWORD} and memory = true>", "Enter")
    console.shows("connected")
    console.type("get event log", "Enter")
    console.shows("***")
    written = (tmp_path / "home" / "history").read_text()
    assert PASSWORD not in written
    assert "password = ***" in written
    assert "*** and memory = true>" in written
    console.type("Up", "Up", "Up", "Up")
    console.shows("EL > connect dbms x where type = sqlite and colour = red and password")


FORM = "error 141: unknown command 'get procesess': at column {}; did you mean 'get processes'"


@pytest.mark.parametrize("how", ["option", "words", "input", "assigned", "script", "thread"])
def test_an_error_has_one_form_wherever_it_is_shown(tmp_path: Path, how: str) -> None:
    script = tmp_path / "wrong.al"
    script.write_text("print before\nget procesess\n")
    place = f"error 141: {script}, line 2, column 5: unknown command 'get procesess'"
    arguments, given, told = {
        "option": (["-c", "get procesess"], "", FORM.format(5)),
        "words": (["get", "procesess"], "", FORM.format(5)),
        "input": ([], "get procesess\n", FORM.format(5)),
        "assigned": (["-c", "x = get procesess"], "", FORM.format(9)),
        "script": (["-c", f"process {script}"], "", f"{place}: did you mean 'get processes'"),
        "thread": (
            ["-c", f"thread {script}", "-c", "wait 1 for !never"],
            "",
            f"{place}: did you mean 'get processes'",
        ),
    }[how]
    done = subprocess.run(
        [*binary(), "--home", str(tmp_path / "home"), *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    (line,) = (line for line in lines if line.startswith("error "))
    assert line.startswith(told)
    assert (done.returncode != 0) is (how != "thread")
