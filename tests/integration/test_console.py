"""The console around commands that fail in ways nobody foresaw, typed at through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from edgelake import Node, node
from edgelake.commands import build_registry
from edgelake.commands.streams import LogLines, Output
from edgelake.console.reader import run_console
from edgelake.interfaces import Result
from edgelake.language import Argument, CommandRegistry, CommandSet, Words

Type = Callable[[str], str]


def _breaking(context, call):
    kinds = {
        "runtime": RuntimeError("broken\x1b[2J\ninside"),
        "recursion": RecursionError("too deep"),
        "memory": MemoryError(),
        "interrupt": KeyboardInterrupt(),
    }
    if call.arguments["how"] == "odd":
        return Result("", "half \ud800 of a character")
    raise kinds[call.arguments["how"]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> Type:
    """Return what the console prints while a text is typed."""
    commands = CommandSet(group="test")
    commands.command("break", summary="fail", arguments=(Argument("how", Words()),))(_breaking)
    registry = CommandRegistry([commands, [*build_registry()]])
    monkeypatch.setattr(node, "build_registry", lambda: registry)
    monkeypatch.setenv("NO_COLOR", "1")

    def run(text: str) -> str:
        log = LogLines(Output(sys.stderr))
        with (
            create_pipe_input() as keys,
            create_app_session(input=keys, output=DummyOutput()),
            Node(tmp_path) as made,
        ):
            keys.send_text(text)
            run_console(made, log)
        return capfd.readouterr().out

    return run


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ("runtime", "error 3: internal error: RuntimeError: broken [2J inside"),
        ("recursion", "error 3: internal error: RecursionError: too deep"),
        ("memory", "error 3: internal error: MemoryError:"),
        ("interrupt", "interrupted"),
        ("odd", "half \\ud800 of a character"),
    ],
)
def test_whatever_a_command_does_the_console_goes_on(typed, how, line):
    out = typed(f"break {how}\rprint still here\rexit node\r")
    lines = [shown.strip() for shown in out.splitlines()]
    assert line in lines
    assert lines[lines.index(line) + 1] == "still here"
    assert "Traceback" not in out


def test_each_command_of_a_pasted_text_runs_and_none_after_the_end(typed):
    out = typed("\x1b[200~print one\nbreak runtime\nprint two\nexit node\nprint never\x1b[201~\r")
    assert "\none\n" in out
    assert "internal error: RuntimeError" in out
    assert "\ntwo\n" in out
    assert "never" not in out


def test_an_interrupt_ends_what_is_left_of_a_pasted_text(typed):
    out = typed("\x1b[200~print one\nbreak interrupt\nprint two\x1b[201~\rprint three\rexit node\r")
    assert "\none\ninterrupted\nthree\n" in out


def test_more_keys_than_the_prompt_takes_are_not_run_by_halves(typed, monkeypatch):
    monkeypatch.setattr("edgelake.limits.MAX_TYPED_CHARS", 20)
    out = typed("print 4567890123456789\r\x03print fits\rexit node\r")
    assert "4567" not in out
    assert "\nfits\n" in out
    out = typed("print 45678901234567\rexit node\r")
    assert "\n45678901234567\n" in out


def test_names_that_a_node_offers(tmp_path):
    with Node(tmp_path) as made:
        assert made.tables() == ["ledger"]
        assert made.databases() == made.policy_types() == []
        made.run("connect dbms orchard where type = sqlite and memory = true")
        for policy in (
            '{"query": {"name": "op7", "ip": "10.0.0.7", "port": 32048}}',
            '{"query": {"name": "odd", "ip": 7}}',
            '{"table": {"name": "gate", "dbms": "orchard", "create": "CREATE TABLE gate (v int)"}}',
        ):
            made.run(f"blockchain insert where policy = {policy} and local = true")
        assert made.databases() == ["orchard"]
        assert made.tables() == ["gate", "ledger"]
        assert made.policy_types() == ["query", "table"]
        assert made.addresses() == {"10.0.0.7:32048": "query op7"}
        assert "tcp" in made.service_names()
        assert made.variables()["edgelake_path"] == str(tmp_path)
