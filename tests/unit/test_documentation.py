"""What is documented is what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgelake import limits
from edgelake.commands import build_registry
from edgelake.commands.advice import error_classes, errors_page
from edgelake.errors import RemoteError
from edgelake.interfaces import Permission
from edgelake.language import Variables, bind, help_page, markdown_page, page_text, parse
from edgelake.language.syntax import CommandStatement
from edgelake.rest.metric_page import with_tables
from edgelake.wire import known_codes, short_text

ROOT = Path(__file__).parents[2]
REGISTRY = build_registry()
COMMANDS = list(REGISTRY)


def test_the_page_of_commands_is_up_to_date():
    page = (ROOT / "docs" / "commands.md").read_text()
    assert page == markdown_page(REGISTRY), "run: make docs"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_is_explained(command):
    text = page_text(help_page(REGISTRY, command.name.split()))
    assert command.name in text
    for option in command.options:
        assert option.key in text
        assert option.help
    for name in command.related:
        assert REGISTRY.get(name) is not None, f"'{command.name}' refers to '{name}'"
    assert command.examples


@pytest.mark.parametrize(
    ("command", "example"),
    [(command, example) for command in COMMANDS for example in command.examples],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_example_works_as_written(command, example):
    variables = Variables({"blockchain_file": "/f", "local_scripts": "/s", "berth": "7"})
    (statement,) = parse(example, REGISTRY)
    if isinstance(statement, CommandStatement) or statement.command:
        inner = statement if isinstance(statement, CommandStatement) else statement.command
        assert bind(inner, REGISTRY, variables).command is not None


def test_peers_may_call_only_what_is_meant():
    allowed = {c.name for c in COMMANDS if c.permission <= Permission.METADATA}
    assert allowed == {
        "blockchain drop confirm",
        "blockchain drop policy",
        "blockchain forward drop",
        "blockchain forward push",
        "blockchain get",
        "blockchain get root policies",
        "blockchain pull to stdout",
        "blockchain push",
        "blockchain push confirm",
        "blockchain push ignore",
        "blockchain query metadata",
        "blockchain read",
        "blockchain replace policy",
        "blockchain test",
        "blockchain test cluster",
        "create policy",
        "echo",
        "event get_blockchain",
        "event get_ledger_after",
        "event get_ledger_head",
        "event ledger_changed",
        "event metadata_ping",
        "event metadata_pong",
        "from",
        "file get",
        "get",
        "get connections",
        "get data limit",
        "get databases",
        "get datetime",
        "get dictionary",
        "get error",
        "get hostname",
        "get json file struct",
        "get metadata version",
        "get msg client",
        "get msg clients",
        "get node name",
        "get policies diff",
        "get processes",
        "get relay",
        "get remote permission",
        "get rest calls",
        "get rest pool",
        "get rest server info",
        "get status",
        "get streaming",
        "get streaming config",
        "get synchronizer",
        "get tcp info",
        "get tcp pool",
        "get tcp stats",
        "get timezone info",
        "get version",
        "help",
        "incr",
        "json",
        "print",
        "random substr",
        "test process",
    }


def test_users_may_call_what_peers_may_not_only_where_it_is_meant():
    assert {c.name: c.user_permission for c in COMMANDS if c.user_permission is not None} == {
        "blockchain delete policy": Permission.METADATA,
        "blockchain insert": Permission.METADATA,
        "set own password": Permission.READ,
    }


def test_the_page_of_errors_is_up_to_date():
    assert (ROOT / "docs" / "errors.md").read_text() == errors_page(), "run: make docs"


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_every_error_is_explained(kind):
    page = (ROOT / "docs" / "errors.md").read_text()
    cells = [[cell.strip() for cell in line.split("|")] for line in page.splitlines()]
    (row,) = (found for found in cells if found[3:4] == [f"`{kind.__name__}`"])
    _, number, text, _, meaning, advice, _ = row
    assert number == ("the peer's" if kind is RemoteError else str(kind.code))
    assert all((text, meaning, advice))


def test_every_number_has_a_row():
    page = (ROOT / "docs" / "errors.md").read_text()
    for code in known_codes():
        assert f"| {code} | {short_text(code)} |" in page


def test_the_page_of_metrics_is_up_to_date():
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert page == with_tables(page), "run: make docs"


def test_every_limit_says_why():
    source = (ROOT / "edgelake" / "limits.py").read_text()
    names = re.findall(r"^([A-Z_]+): Final", source, re.MULTILINE)
    assert names
    for name in names:
        assert isinstance(getattr(limits, name), int | float)
        assert re.search(rf'^{name}: Final = .+\n"""', source, re.MULTILINE), name
