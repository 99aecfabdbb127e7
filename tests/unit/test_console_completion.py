"""What the Tab key offers."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from edgelake import limits
from edgelake.commands import build_registry
from edgelake.console.completer import CommandCompleter
from edgelake.editing import sources
from edgelake.editing.completion import candidates
from edgelake.language import (
    BRING_MODIFIERS,
    Boolean,
    CommandRegistry,
    CommandSet,
    Dotted,
    Name,
    OneOf,
    Option,
    OptionGroup,
    Text,
    Where,
)
from tests.language.sample import REGISTRY as SAMPLE
from tests.names import Names

REGISTRY = build_registry()


def offered(
    text: str, registry: CommandRegistry = REGISTRY, names: Names | None = None
) -> set[str]:
    return {found.text for found in candidates(text, registry, names or Names())}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ge", {"get"}),
        ("get sta", {"status"}),
        ("get tcp ", {"info", "pool", "stats"}),
        ("exit ", {"msg", "node", "rest", "scripts", "synchronizer", "tcp"}),
        ("help run t", {"tcp"}),
        ("answer = get sta", {"status"}),
        ("answer[one][two] = get sta", {"status"}),
        ("run tcp server ", {"where"}),
        ("run tcp server wh", {"where"}),
        ("run tcp server where bi", {"bind"}),
        ("run tcp server where bind ", {"="}),
        ("run tcp server where bind = ", {"true", "false"}),
        ("run tcp server where bind=", {"true", "false"}),
        ('run tcp server where bind = "t', {'"true"'}),
        ("run tcp server where bind = true ", {"and"}),
        ("run tcp server where bind = true and b", set()),
        ("run tcp server where external_ip = (1.2.3.4) ", {"and"}),
        ("run blockchain sync where dest = file and de", {"dest"}),
        ("run blockchain sync where source = ", {"blockchain", "dbms", "master"}),
        ("run blockchain sync where time = 30 s", {"seconds"}),
        ("set remote permission ", {"="}),
        ("set remote permission = ", {"admin", "metadata", "read"}),
        ("connect dbms blockchain ", {"where"}),
        ("create table ledger where dbms = o", {"orchard"}),
        ("create table g", {"gate"}),
        ("print !bl", {"!blockchain_dir", "!blockchain_file"}),
        ("print x:!be", {"x:!berth"[2:]}),
        ("print $HA", {"$HARBOUR"}),
        ('print "!be', {"!berth"}),
        ('x = {"ip": !be', {"!berth"}),
        ('x = {"ip": "a', set()),
        ("get !be", {"!berth"}),
        ("set be", {"berth"}),
        ("run client (1.2.3.4:5) get !!be", {"!!berth"}),
        ("run client (1.2.3.4:5) get sta", {"status"}),
        ("run client 1.2.3.4:5 get sta", {"status"}),
        ("run client 1.2.3.4 5 get sta", {"status"}),
        ("run client (1.2.3.4:5, su", {"subset"}),
        ("run client (1.2.3.4:5, 1", {"10.0.0.7:32048"}),
        ("run client ", {"10.0.0.7:32048"}),
        ("run blockchain sync where connection = ", {"10.0.0.7:32048"}),
        ("blockchain get d", {"device"}),
        ("blockchain get (device, o", {"operator"}),
        ("a = 1 & get sta", {"status"}),
        ("get status\nget sta", {"status"}),
        ("< run tcp server where\n  bind = true and\n  thr", {"threads"}),
        (". get sta", {"status"}),
        ("if !a == 5 then get sta", {"status"}),
        ("if !a cont", {"contains"}),
        ("if !a == 5 th", {"then"}),
        ("do get sta", {"status"}),
        ("else if not !a then get sta", {"status"}),
        ("blockchain get device bri", {"bring", *(f"bring.{name}" for name in BRING_MODIFIERS)}),
        ("blockchain get device bring.re", {"bring.recent"}),
        ("blockchain get device where name = d1 bring.ta", {"bring.table"}),
        ("from !x bring.json.un", {"bring.json.unique"}),
        ("from !x bring.json.js", set()),
        ("from !x bring ", {"separator"}),
        ("from !x bring [a] separator ", {"="}),
        ("from !x bring [a] separator = ", set()),
        ('json {"a":1} ', {"test"}),
        ("nosuch ", set()),
        ("print a # ge", set()),
        ("# ge", set()),
        ("get status", set()),
        ("print one two ", set()),
    ],
)
def test_what_is_offered(text, expected):
    assert offered(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("schedule time = 5 seconds and ", {"name"}),
        ("schedule time = 5 seconds t", {"task"}),
        ("schedule time = 5 seconds task get sta", {"status"}),
        ("wait 5 f", {"for"}),
        ("set query mode us", {"using"}),
        ("set query mode using max_volume = 10", {"10GB", "10KB", "10MB", "10TB"}),
        ("set query mode using max_volume = 10 M", {"MB"}),
        (
            "set query mode using timeout = 1 ",
            {"seconds", "minutes", "hours", "days", "weeks", "and"},
        ),
    ],
)
def test_forms_and_units(text, expected):
    assert offered(text, SAMPLE) == expected


TOPIC = OptionGroup(
    "topic",
    (Option("name", Text()), Option("dbms", Name())),
    (Dotted("column", {1: Boolean(), 2: Boolean()}, ("name", "type"), OneOf("int", "float")),),
)


def test_options_inside_options():
    commands = CommandSet(group="test")
    commands.command(
        "run msg client",
        summary="subscribe",
        where=Where.REQUIRED,
        options=(Option("topic", TOPIC, repeatable=True), Option("broker", Text())),
    )(lambda context, call: None)
    registry = CommandRegistry([commands])
    begun = "run msg client where topic = ("
    assert offered(begun, registry) == {"name", "dbms"}
    assert offered(begun + "name = a and ", registry) == {"dbms"}
    assert offered(begun + "name = a and dbms = o", registry) == {"orchard"}
    assert offered(begun + "name = a and column.level = ", registry) == {"true", "false"}
    assert offered(begun + "column.level.int = ", registry) == {"true", "false"}
    assert offered(begun + "column.level.odd = ", registry) == set()
    assert offered(begun + "name = a) and b", registry) == {"broker"}
    assert offered(begun + "name = a) and ", registry) == {"broker", "topic"}


def test_a_summary_stands_beside_a_command_and_help_beside_a_key():
    found = {c.text: c.meta for c in candidates("get sta", REGISTRY, Names())}
    assert found == {"status": REGISTRY.get("get status").summary}
    found = {c.text: c.meta for c in candidates("run tcp server where thr", REGISTRY, Names())}
    assert found == {"threads": "I/O threads"}
    (long,) = (c.meta for c in candidates("run tcp server where bi", REGISTRY, Names()))
    assert long.endswith("…")


def test_values_of_the_environment_are_not_shown():
    assert [c.meta for c in candidates("print $HARB", REGISTRY, Names())] == [""]
    assert [c.meta for c in candidates("print !ber", REGISTRY, Names())] == ["7"]


# ------------------------------------------------------------------- files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "start.al").touch()
    (tmp_path / "stop.al").touch()
    (tmp_path / ".hidden").touch()
    (tmp_path / "with blank").touch()
    (tmp_path / "bad\x1bname").touch()
    (tmp_path / "sub").mkdir()
    return tmp_path


def test_files_and_folders(folder):
    at = f"{folder}/"
    assert offered(f"process {at}") == {
        f"{at}start.al",
        f"{at}stop.al",
        f"{at}sub/",
        f'"{at}with blank"',
    }
    assert offered(f"process {at}.h") == {f"{at}.hidden"}
    assert offered(f'process "{at}wi') == {f'"{at}with blank"'}
    assert offered(f"process {at}sub/") == set()
    assert offered(f"process {at}nosuch/x") == set()


def test_files_behind_a_variable(folder):
    names = Names({"dir": str(folder)})
    assert offered("process !dir/st", names=names) == {"!dir/start.al", "!dir/stop.al"}
    assert offered("process !di", names=names) == {"!dir"}
    assert offered("process !nosuch/", names=names) == set()


def test_no_blank_follows_a_folder(folder):
    completer = CommandCompleter(REGISTRY, Names())
    document = Document(f"process {folder}/s")
    found = [c.text for c in completer.get_completions(document, CompleteEvent())]
    assert found == [f"{folder}/start.al ", f"{folder}/stop.al ", f"{folder}/sub/"]


def test_a_large_folder_is_bounded(tmp_path):
    for number in range(limits.MAX_OFFERED + 10):
        (tmp_path / f"f{number}").touch()
    assert len(offered(f"process {tmp_path}/f")) == limits.MAX_OFFERED


def test_a_folder_that_hangs_is_not_waited_for(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    scandir, gate, looks = os.scandir, threading.Event(), []

    def hanging(path):
        looks.append(path)
        gate.wait(15)
        return scandir(path)

    monkeypatch.setattr(sources.os, "scandir", hanging)
    monkeypatch.setattr(limits, "LISTING_WAIT_S", 0.01)
    try:
        assert offered(f"process {tmp_path}/") == set()
        assert offered(f"process {tmp_path}/") == set()
        assert len(looks) == 1
    finally:
        gate.set()
    monkeypatch.setattr(limits, "LISTING_WAIT_S", 15)
    monkeypatch.setattr(sources.os, "scandir", scandir)
    for look in list(sources._running):
        assert look.done.wait(15)
    assert offered(f"process {tmp_path}/") == {f"{tmp_path}/file"}


def test_a_long_text_gets_nothing():
    text = "get " + " " * limits.MAX_STYLED_CHARS
    assert offered(text) == set()
    assert offered(text[-limits.MAX_STYLED_CHARS :]) != set()


def test_a_fault_of_the_completion_does_not_reach_the_console(caplog):
    class Broken(Names):
        def variables(self):
            raise RuntimeError("broken")

    completer = CommandCompleter(REGISTRY, Broken())
    assert list(completer.get_completions(Document("print !a"), CompleteEvent())) == []
    assert "a command failed inside" in caplog.text


def test_only_so_many_entries_of_a_folder_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_SCANNED_FILES", 5)
    for number in range(5):
        (tmp_path / f"f{number}").touch()
    assert len(offered(f"process {tmp_path}/f")) == 5
    (tmp_path / "f5").touch()
    assert len(offered(f"process {tmp_path}/f")) == 5
