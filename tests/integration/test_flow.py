"""Conditions, pauses and scripts, on a real node with real files."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgelake import Client, Node, limits
from edgelake.errors import (
    ArgumentMismatch,
    CommandSyntaxError,
    EdgeLakeError,
    EventMissing,
    NotInScript,
    RemoteError,
    ScriptError,
    ScriptMissing,
    ScriptStopped,
    SynchronizerNotRunning,
    UndefinedVariable,
    UnknownCommand,
    WrongValue,
)
from edgelake.language import format_error_block
from tests.integration.test_node import listen
from tests.waiting import eventually

Write = Callable[[str], Path]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with an empty home."""
    with Node(tmp_path / "home") as made:
        yield made


@pytest.fixture
def script(tmp_path: Path) -> Write:
    """Write scripts of any text; each has a path of its own."""
    count = 0

    def write(text: str, ending: str = "al") -> Path:
        nonlocal count
        count += 1
        path = tmp_path / f"script{count}.{ending}"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def said(node: Node, text: str) -> list[str]:
    """Run a command and return what it prints, line by line."""
    shown: list[str] = []
    node.execute(text, lambda result: shown.extend(result.text.splitlines()))
    return shown


def failed(node: Node, text: str) -> tuple[EdgeLakeError, list[str]]:
    """Run a command that fails; return its error, and what it printed before."""
    shown: list[str] = []
    with pytest.raises(EdgeLakeError) as caught:
        node.execute(text, lambda result: shown.extend(result.text.splitlines()))
    return caught.value, shown


# -------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        ("!five", True),
        ("!absent", False),
        ('""', False),
        ("0", True),
        ("false", True),
        ("!zero.int", False),
        ("!five.int", True),
        ("!no.bool", False),
        ("!yes.bool", True),
        ("$ABSENT_IN_THE_ENVIRONMENT", False),
        ("not !absent", True),
        ("not not !five", True),
        ("!five == 5", True),
        ("!five == 5.0", False),
        ("!five.int == 5.0", True),
        ("!five != 5", False),
        ("!name == 'north pier'", False),
        ('!name == "north pier"', True),
        ('!name != "NORTH PIER"', False),
        ("!five < 10", True),
        ("10 < 9", False),
        ("!five.float >= 5", True),
        ("abc < abd", True),
        ("!name.len > 9", True),
        ("!five.int == x", False),
        ("!five.int != x", True),
        ("!name contains PIER", True),
        ("!name startswith north", True),
        ("!name endswith pier", True),
        ("!name endswith north", False),
        ("fen/a childfrom fen", True),
        ("fen/a childfrom fen/", True),
        ("fen/a/b childfrom fen", False),
        ("fen childfrom fen", False),
        ("!five + 0 == 50", True),
        # `and` binds stronger than `or`; evaluation is not from left to right
        ("!absent and !absent or !five", True),
        ("!five or !absent and !absent", True),
        ("(!five or !absent) and !absent", False),
        ("!five == 6 and !five == 7 or !five == 5", True),
        ("not (!five == 6 or !five == 7)", True),
        ("not !five == 6 and !five", True),
        ("!list == [1,2]", True),
        ("!list.len == 2", True),
    ],
)
def test_condition(node: Node, condition: str, outcome: bool) -> None:
    for line in ("five = 5", "zero = 0", "no = false", "yes = TRUE", "name = North Pier"):
        node.run(line)
    node.run("list = [1,2]")
    assert node.run(f"if {condition}").text == str(outcome)
    assert said(node, f"if {condition} then print held") == (["held"] if outcome else [])
    node.run(f"r = if {condition}")
    assert node.run("!r").text == str(outcome)


def test_value_never_changes_the_shape_of_a_condition(node: Node) -> None:
    node.run('set trap = "1 == 1 or 2 == 2"')
    assert node.run("if !trap == x").data is False
    node.run("set then = then")
    assert node.run("if !then == 5").data is False


def test_do_and_else_follow_the_last_if(node: Node) -> None:
    lines = ["if !x then", "do print a", "do print b", "else print c", "else print d"]
    assert [said(node, line) for line in lines] == [[], [], [], ["c"], ["d"]]
    node.run("x = 1")
    assert [said(node, line) for line in lines] == [[], ["a"], ["b"], [], []]
    assert said(node, "if !x then if !y then print inner") == []
    assert said(node, "else if !x then print otherwise") == ["otherwise"]
    assert said(node, "if !x then y = 7 & print !y") == ["7"]


def test_branches_without_an_if_do_nothing(node: Node) -> None:
    assert said(node, "do print a") == []
    assert said(node, "else print a") == []


def test_each_thread_has_its_own_last_if(node: Node) -> None:
    node.run("if 1 then")
    found: list[list[str]] = []
    other = threading.Thread(target=lambda: found.append(said(node, "do print x")))
    other.start()
    other.join()
    assert found == [[]]
    assert said(node, "do print x") == ["x"]


def test_command_behind_then_fails_as_itself(node: Node) -> None:
    error, _ = failed(node, "if 1 then frobnicate")
    assert isinstance(error, UnknownCommand)
    assert error.column == 11


# ------------------------------------------------------------------- wait


def test_wait_gives_whether_the_condition_came_true(node: Node) -> None:
    timer = threading.Timer(0.2, lambda: node.run("gate = open"))
    timer.start()
    node.run("w = wait 10 for !gate == open")
    assert node.run("!w").text == "True"
    node.run("w = wait 0.01 for !gate == shut")
    assert node.run("!w").text == "False"
    assert said(node, "wait 0.01 for !gate == shut") == []
    assert said(node, "wait 0") == []


@pytest.mark.parametrize("seconds", ["soon", "-1", str(limits.MAX_WAIT_S + 1), "1e9"])
def test_wait_needs_seconds(node: Node, seconds: str) -> None:
    with pytest.raises(WrongValue, match="seconds"):
        node.run(f"wait {seconds}")


def test_wait_for_sync_needs_a_synchronizer(node: Node) -> None:
    with pytest.raises(SynchronizerNotRunning):
        node.run("wait 1 for sync")


def test_wait_for_sync_waits_for_one_more_cycle(node: Node) -> None:
    for line in (
        "create work directories",
        "connect dbms blockchain where type = sqlite",
        "create table ledger where dbms = blockchain",
        "run blockchain sync where source = dbms and time = 1 hour and dest = file",
    ):
        node.run(line)
    before = node.run("get synchronizer where format = json").data["sync_ok"]
    assert node.run("wait 10 for sync").data is True
    assert node.run("get synchronizer where format = json").data["sync_ok"] > before


def test_end_of_the_node_ends_a_wait(tmp_path: Path) -> None:
    node = Node(tmp_path / "home")
    waiting = threading.Thread(target=lambda: node.run("wait 3600"))
    waiting.start()
    node.run("exit node")
    waiting.join(10)
    assert not waiting.is_alive()
    node.close()


# ---------------------------------------------------------------- scripts


def test_script_jumps_calls_and_returns(node: Node, script: Write) -> None:
    path = script(
        "variables (name, times)  # what it takes\n"
        "left = !times\n"
        ":again: text here is ignored\n"
        "call greet & print never reached on this line\n"
        "if !left.int == 1 then goto done\n"
        "left = 1\n"
        "goto again\n"
        ":greet:\n"
        "print hello !name\n"
        "return\n"
        "  :done:\n"
        "print done\n"
        "end script\n"
        "print never\n"
    )
    assert said(node, f'process {path} "Ana K" 2') == ["hello Ana K", "hello Ana K", "done"]


def test_path_of_a_script_may_be_put_together(node: Node, script: Write) -> None:
    path = script("print here")
    node.run(f"dir = {path.parent}")
    assert said(node, f"process !dir + /{path.name}") == ["here"]
    assert said(node, f"process !dir/{path.name}") == ["here"]


@pytest.mark.parametrize(
    ("given", "wanted"), [("", "takes 2 arguments and got 0"), ("a b c", "got 3"), ("a", "got 1")]
)
def test_arguments_are_counted(node: Node, script: Write, given: str, wanted: str) -> None:
    path = script("variables (a, b)\nprint !a")
    error, shown = failed(node, f"process {path} {given}")
    assert isinstance(error, ArgumentMismatch)
    assert wanted in str(error)
    assert error.hint == "its arguments: (a, b)"
    assert shown == []


def test_script_that_declares_no_parameters_may_get_arguments(node: Node, script: Write) -> None:
    assert said(node, f"process {script('print x')} extra words") == ["x"]


def test_label_that_is_not_closed_is_one(node: Node, script: Write) -> None:
    path = script(
        "goto far\nprint a\n:near\nprint b\nend script\n  :far; # there\nprint c\ngoto near\n"
    )
    assert said(node, f"process {path}") == ["c", "b"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("print a\n:x:\nprint b\n:x:\n", 4, "label 'x' stands twice"),
        ("print a\n: x\n", 2, "is no label"),
        ("variables a, b\n", 1, "not a list of names"),
        ("variables ()\n", 1, "not a list of names"),
        ("variables (a, a)\n", 1, "stands twice"),
        ("print a\nvariables (a)\n", 2, "behind other commands"),
        ("print a\n<get status\nwhere format = json\n", 2, "block is not closed"),
        ('x = {"a": [1,\n2}\nprint x\n', 1, "not closed"),
    ],
)
def test_malformed_script_runs_no_line(
    node: Node, script: Write, text: str, line: int, message: str
) -> None:
    error, shown = failed(node, f"process {script(text)}")
    assert f"line {line}" in str(error)
    assert message in str(error)
    assert shown == []


def test_unknown_label_is_named(node: Node, script: Write) -> None:
    path = script("goto nowhere\n:here:\n:there:")
    error, _ = failed(node, f"process {path}")
    assert str(error) == f"{path}, line 1: the script has no label 'nowhere'"
    assert error.hint == "its labels: here, there"


def test_end_and_exit_leave_scripts(node: Node, script: Write) -> None:
    inner = script("print inner\nend script\nprint never")
    leaving = script("exit scripts\nprint never")
    middle = script(f"process {leaving}\nprint never")
    assert said(node, f"process {script(f'process {inner}')} & print after") == ["inner", "after"]
    assert said(node, f"process {script(f'process {middle}')} & print after") == ["after"]


def test_words_of_scripts_do_nothing_elsewhere(node: Node) -> None:
    for line in (
        "goto x",
        "call x",
        "return",
        "end script",
        "exit scripts",
        "on error ignore",
        "on error goto x",
        "on error call x",
        "on error end script",
    ):
        assert said(node, line) == []
    with pytest.raises(NotInScript):
        node.run("set debug on")


def test_return_without_call_is_an_error(node: Node, script: Write) -> None:
    error, _ = failed(node, f"process {script('return')}")
    assert "'return' without 'call'" in str(error)


def test_calls_are_bounded(node: Node, script: Write) -> None:
    error, _ = failed(node, f"process {script(':a:' + chr(10) + 'call a')}")
    assert f"more than {limits.MAX_SCRIPT_CALLS} calls" in str(error)


def test_scripts_that_call_themselves_are_bounded(node: Node, script: Write) -> None:
    path = script("")
    path.write_text(f"process {path}", encoding="utf-8")
    error, _ = failed(node, f"process {path}")
    assert f"more than {limits.MAX_SCRIPT_DEPTH} deep" in str(error)
    assert list(node.run("get scripts").data) == []


def test_commands_inside_commands_of_scripts_are_bounded(node: Node, script: Write) -> None:
    path = script("")
    deep = limits.MAX_NESTING // 2 + 1
    path.write_text("if a then " * deep + f"process {path}\n", encoding="utf-8")
    with pytest.raises(ScriptError, match=f"more than {limits.MAX_NESTING} deep"):
        node.run(f"process {path}")
    path.write_text("if a then " * (limits.MAX_NESTING - 1) + "print deep\n", encoding="utf-8")
    assert node.run(f"process {path}").text == "deep"


def test_answers_of_a_script_without_end_are_bounded(
    node: Node, script: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_KEPT_ANSWERS_BYTES", 100_000)
    path = script(f":again:\nprint {'x' * 1000}\ngoto again\n")
    for command in (f"process {path}", f"found = process {path}"):
        with pytest.raises(ScriptError, match="the answers exceed 100,000 bytes"):
            node.run(command)
    one = script(f"print {'x' * 200_000}\n")
    assert len(node.run(f"process {one}").text) == 200_000


def test_error_names_file_line_and_shows_the_line(node: Node, script: Write) -> None:
    path = script("print a\n\nif 1 then print !x & get !absent\n")
    error, shown = failed(node, f"process {path}")
    assert shown == ["a"]
    assert str(error) == f"{path}, line 3, column 26: '!absent' has no value"
    block = format_error_block(error, f"process {path}").split("\n")
    assert block[1:] == ["  if 1 then print !x & get !absent", "  " + " " * 25 + "^"]


def test_error_in_a_block_names_its_own_line(node: Node, script: Write) -> None:
    path = script("print a\n<run tcp server where external_ip = 127.0.0.1\n  and extern = 5>\n")
    error, _ = failed(node, f"process {path}")
    assert f"{path}, line 3, column 7" in str(error)
    assert error.excerpt == ("  and extern = 5 ", 7)


@pytest.mark.parametrize(
    ("handler", "shown", "code"),
    [
        ("on error ignore", ["after", "failed"], 0),
        ("on error goto failed", ["failed"], 0),
        ("on error call failed", ["failed", "after"], 0),
        ("on error end script", [], 138),
        ("", [], 138),
    ],
)
def test_on_error(node: Node, script: Write, handler: str, shown: list[str], code: int) -> None:
    ending = "return" if "call" in handler else "end script"
    after = "end script" if "call" in handler else ""
    path = script(
        f"{handler}\nx = get !absent\nprint after\n{after}\n:failed:\nprint failed\n{ending}\n"
    )
    if not code:
        assert said(node, f"process {path}") == shown
        return
    error, found = failed(node, f"process {path}")
    assert found == shown
    assert error.code == code


@pytest.mark.parametrize("line", ["frobnicate", "x = get nosuch", "if !a = 5 then print x"])
def test_badly_written_commands_end_a_script_whatever_handler(
    node: Node, script: Write, line: str
) -> None:
    rest = f"\n{line}\nprint after\n:failed:\nprint failed"
    error, shown = failed(node, f"process {script('on error goto failed' + rest)}")
    assert shown == []
    assert isinstance(error.__cause__, UnknownCommand | CommandSyntaxError)
    assert said(node, f"process {script('on error ignore' + rest)}") == ["after", "failed"]


def test_handler_takes_the_failure_of_a_nested_script(node: Node, script: Write) -> None:
    inner = script("print in\nfrobnicate\nprint never")
    path = script(f"on error goto failed\nprocess {inner}\nprint never\n:failed:\nprint caught")
    assert said(node, f"process {path}") == ["in", "caught"]
    # It is not inherited: the nested script ends at its first failure.
    path = script(f"on error ignore\nprocess {inner}\nprint after")
    assert said(node, f"process {path}") == ["in", "after"]


def test_handler_that_fails_at_once_is_not_tried_for_ever(node: Node, script: Write) -> None:
    path = script("on error goto failed\nget !a\n:failed:\nget !b\nprint never")
    error, _ = failed(node, f"process {path}")
    assert "'!b' has no value" in str(error)
    path = script(
        "on error goto failed\nn = 0\n:again:\nget !a\n:failed:\nn = !n + x\n"
        "if !n.len < 4 then goto again\nprint tries !n"
    )
    assert said(node, f"process {path}") == ["tries 0xxx"]


def test_nested_script_restores_the_callers_if(node: Node, script: Write) -> None:
    inner = script("if 1 then\ndo print inner")
    path = script(f"if !absent then\nprocess {inner}\nelse print outer")
    assert said(node, f"process {path}") == ["inner", "outer"]


def test_json_goes_on_over_lines_in_scripts(node: Node, script: Write) -> None:
    path = script('x = {"a": [1,\n  2],\n  # no comment inside\n  "b": "}"}\nprint !x.len')
    assert said(node, f"process {path}") == ["2"]


def test_json_file_of_settings_and_commands(node: Node, script: Write) -> None:
    text = (
        '{"config": [{"name": "one", "setting": {"v7": "a \\"b\\" !c"}, "commands": ["print !v7"]},'
        ' {"name": "two", "commands": ["goto end", "print two"]}]}'
    )
    error, shown = failed(node, f"process {script(text, 'json')}")
    assert shown == ['a "b" !c']
    assert "has no label 'end'" in str(error)
    for wrong in ("[]", '{"config": 5}', '{"config": [5]}', '{"config": [{"commands": [5]}]}', "{"):
        error, _ = failed(node, f"process {script(wrong, 'json')}")
        assert isinstance(error, ScriptError)


@pytest.mark.parametrize("command", ["process", "thread"])
def test_missing_scripts(node: Node, tmp_path: Path, command: str) -> None:
    for path in (tmp_path / "absent.al", tmp_path):
        error, _ = failed(node, f"{command} {path}")
        assert isinstance(error, ScriptMissing)
        assert str(path) in str(error)
    with pytest.raises(CommandSyntaxError, match="missing <script>"):
        node.run(command)


def test_event_runs_the_script_a_variable_names(node: Node, script: Write) -> None:
    path = script("variables (pump, level)\nprint !pump at !level")
    node.run(f"alarm = {path}")
    assert said(node, "event alarm pump_a 97") == ["pump_a at 97"]
    with pytest.raises(EventMissing, match="nosuch"):
        node.run("event nosuch")


# ---------------------------------------------------------------- threads


def test_thread_runs_in_the_background_and_tells_the_console(node: Node, script: Write) -> None:
    path = script("variables (a)\nprint began !a\nwait 60 for !go\nprint went on\nget !absent")
    assert said(node, f"thread {path} x") == []
    eventually(lambda: len(node.run("get scripts").data) == 1, "the script is listed")
    listed = node.run("get scripts").data[0]
    assert listed["script"] == str(path)
    eventually(lambda: node.run("get scripts").data[0]["line"] == 3, "it waits")
    node.run("go = 1")
    eventually(lambda: not node.run("get scripts").data, "the script ends")
    texts = [notice.text for notice in node.notices()]
    assert texts[:2] == ["began x", "went on"]
    assert texts[2].startswith(f"error 138: {path}, line 5, column 5: '!absent' has no value")
    assert len(texts) == 3


def test_thread_with_wrong_arguments_fails_at_once(node: Node, script: Write) -> None:
    with pytest.raises(ArgumentMismatch):
        node.run(f"thread {script('variables (a)')}")
    assert node.run("get scripts").data == []


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a node that takes connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("way", ["stop all", "close"])
@pytest.mark.parametrize(
    "command",
    [
        "run client ({silent}, timeout = 3000) get status",
        "run client ({silent}, timeout = 3000) file get !!blockchain_file {here}/got",
        "run client ({silent}, timeout = 3000) file copy {here}/script1.al /there",
        "system timeout = 3000 sleep 2999",
    ],
)
def test_script_is_ended_whatever_it_waits_for(
    tmp_path: Path, script: Write, silent: str, command: str, way: str
) -> None:
    with Node(tmp_path / "home") as node:
        listen(node)
        path = script("")
        path.write_text("on error ignore\n" + command.format(silent=silent, here=tmp_path))
        node.run(f"thread {path}")
        listed = "get scripts"
        eventually(lambda: [run["line"] for run in node.run(listed).data] == [2], "it waits")
        if way == "close":
            assert node.close()
            return
        node.run("stop all")
        eventually(lambda: not node.run(listed).data, "it ends")


def test_stop_ends_a_script_even_while_it_waits(node: Node, script: Write) -> None:
    path = script("on error ignore\nwait 3600\nprint never")
    node.run(f"thread {path}")
    node.run(f"thread {path}")
    eventually(lambda: len(node.run("get scripts").data) == 2, "both run")
    number = node.run("get scripts").data[0]["number"]
    node.run(f"stop {number}")
    eventually(lambda: len(node.run("get scripts").data) == 1, "one ended")
    node.run("stop all")
    eventually(lambda: not node.run("get scripts").data, "both ended")
    assert all("told to stop" in notice.text for notice in node.notices())
    with pytest.raises(NotInScript, match="script 99"):
        node.run("stop 99")
    with pytest.raises(WrongValue):
        node.run("stop everything")


def test_closing_the_node_ends_its_scripts(tmp_path: Path, script: Write) -> None:
    path = script(":a:\nwait 0.01\ngoto a")
    with Node(tmp_path / "home") as node:
        node.run(f"thread {path}")
        eventually(lambda: bool(node.run("get scripts").data), "it runs")
        began = {thread for thread in threading.enumerate() if thread.name.startswith("script-")}
        assert began
    assert not any(thread.is_alive() for thread in began)


# ------------------------------------------------------------------ debug


def test_debug_shows_each_command(node: Node, script: Write) -> None:
    inner = script("print inner")
    path = script(
        f"set debug on\nx = 5\non error ignore\nget !absent\nprocess {inner}\nset debug off\ny = 6"
    )
    shown = said(node, f"process {path}")
    thread = threading.current_thread().name
    assert f"[{thread}] [0002] x = 5 --> Success" in shown
    assert any("[0004] get !absent --> error 138: '!absent' has no value" in s for s in shown)
    assert f"[{thread}] [0001] print inner --> Success" in shown
    assert not any("y = 6" in line for line in shown)


def test_interactive_script_asks_before_each_command(node: Node, script: Write) -> None:
    path = script("set debug interactive\nx = 5\nprint two !x\nprint three\nprint four")
    words = iter(["", "print typed !x\n", "frobnicate", "next", "continue"])
    asked: list[str] = []

    def ask(prompt: str) -> str | None:
        asked.append(prompt)
        return next(words)

    node.ask_with(ask)
    shown = said(node, f"process {path}")
    assert [line for line in shown if not line.startswith("[")] == [
        "typed 5",
        "error 141: unknown command 'frobnicate': at column 1 near 'frobnicate'; "
        "'help' lists the commands",
        "two 5",
        "three",
        "four",
    ]
    assert [prompt.split(" ")[0] for prompt in asked] == [
        f"{path}:2",
        *[f"{path}:3"] * 3,
        f"{path}:4",
    ]
    node.ask_with(lambda prompt: None)
    error, _ = failed(node, f"process {path}")
    assert isinstance(error, ScriptStopped)


def test_interactive_script_in_a_thread_waits_for_next(node: Node, script: Write) -> None:
    path = script("set debug interactive\nx = 1\nx = 2\nx = 3")
    with pytest.raises(NotInScript, match="no script waits"):
        node.run("next")
    node.run(f"thread {path}")

    def waits_at(line: int) -> bool:
        found = node.run("get scripts").data
        return bool(found) and found[0]["state"] == "Paused" and found[0]["line"] == line

    eventually(lambda: waits_at(2), "it waits before line 2")
    node.run("next")
    eventually(lambda: waits_at(3), "it waits before line 3")
    assert node.run("!x").text == "1"
    node.run(f"continue {node.run('get scripts').data[0]['number']}")
    eventually(lambda: not node.run("get scripts").data, "it ends")
    assert node.run("!x").text == "3"


def test_most_scripts_at_a_time(node: Node, script: Write) -> None:
    path = script("wait 3600")
    for _ in range(limits.MAX_SCRIPTS):
        node.run(f"thread {path}")
    error, _ = failed(node, f"thread {path}")
    assert str(limits.MAX_SCRIPTS) in str(error)
    node.run("stop all")


def test_scripts_of_peers_leave_threads_for_other_messages(node: Node, tmp_path: Path) -> None:
    node.run("create work directories")
    address = listen(node)
    node.run("set remote permission = admin")
    waiting = node.home.scripts_dir / "wait.al"
    waiting.write_text("wait 3000\n", encoding="utf-8")
    with Client(address) as peer:
        held = [
            threading.Thread(target=lambda: _refused(peer, f"process {waiting}"))
            for _ in range(limits.MAX_SLOW_COMMANDS_OF_PEERS)
        ]
        for thread in held:
            thread.start()
        eventually(
            lambda: len(node.run("get scripts").data) == limits.MAX_SLOW_COMMANDS_OF_PEERS,
            "they run",
        )
        assert "commands of peers run that take long" in _refused(peer, f"process {waiting}")
        assert "take long" in _refused(peer, f"file hash {node.home.scripts_dir}/wait.al")
        assert peer.request("get version")
        node.run("stop all")
        for thread in held:
            thread.join(10.0)
        eventually(lambda: not node.run("get scripts").data, "they ended")
        waiting.write_text("print went\n", encoding="utf-8")
        assert peer.request(f"process {waiting}").strip() == "went"


def _refused(peer: Client, command: str) -> str:
    """Return the error that a node answers with."""
    with pytest.raises(RemoteError) as caught:
        peer.request(command)
    return str(caught.value)


def test_undefined_reference_in_a_command_is_an_error(node: Node) -> None:
    with pytest.raises(UndefinedVariable):
        node.run("process !absent")
