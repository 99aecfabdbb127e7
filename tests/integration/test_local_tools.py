"""``system``, ``subprocess`` and ``python`` at a real node, with real child processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Client, Node, limits
from edgelake.errors import (
    EdgeLakeError,
    ExpressionFailed,
    NotRunning,
    RemoteError,
    SystemCallFailed,
    SystemCallTimeout,
    UndefinedVariable,
    WrongValue,
)
from tests.waiting import eventually

HOSTILE = "a 'b' \"c\" $(touch pwned) `touch pwned` ; touch pwned # & \\ \n touch pwned"


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.chdir(tmp_path)
    with Node(tmp_path / "home") as made:
        made.run("set berth = 7")
        yield made


@pytest.fixture(scope="module")
def calculator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Make one node for all expressions, which change nothing."""
    with Node(tmp_path_factory.mktemp("calculator")) as made:
        made.run("set berth = 7")
        set_value(made, "name", "North Pier")
        set_value(made, "evil", HOSTILE)
        yield made


def set_value(node: Node, name: str, value: str) -> None:
    """Give a variable a value that no command can write, such as one of a file."""
    node._parts.variables.set(name, value)


def outcome_of(node: Node, command: str) -> str | EdgeLakeError:
    """Return what a command answers, or its error."""
    try:
        return node.run(command).text
    except EdgeLakeError as exc:
        return exc


def alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be asked for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def pid_in(path: Path) -> int:
    """Return the number that a child writes into a file."""
    eventually(lambda: path.exists() and path.read_text().endswith("\n"), f"{path} is written")
    return int(path.read_text())


# -------------------------------------------------------------------- system


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("system echo from the shell", "from the shell"),
        ("system echo \"a   b\" 'c  d' | tr a-z A-Z", "A   B C  D"),
        ("system echo one > f && cat f", "one"),
        ("system (echo out; echo err >&2) 2>&1", "out\nerr"),
        ("system ls nothing 2>/dev/null || echo none", "none"),
        ("system echo $((2 + 3)) ${NONE:-x} $(echo y) `echo z`", "5 x y z"),
        ("system echo $((!berth + 1))", "8"),
        ("system echo a # a note & more", "a"),
        ("system timeout = 9 echo !berth | tr 7 8", "8"),
        ("system timeout=!berth echo done", "done"),
        ('system echo "!berth" \'!berth\' "x !berth" !berth.float', "7 !berth x !berth 7.0"),
        ("system true", ""),
        ("system echo let me in !berth; touch a b; ls [!a]", "let me in 7\nb"),
    ],
)
def test_the_shell_gets_what_is_written(node: Node, command: str, output: str) -> None:
    result = node.run(command)
    assert (result.text, result.data or "") == (output, output)


def test_output_becomes_a_value(node: Node) -> None:
    node.run("sysout = system printf 'a\\nb\\n'")
    assert node.run("get !sysout").text == "a\nb"


def test_a_free_standing_sign_begins_the_next_command(node: Node) -> None:
    assert node.run("system echo a & print b").data == ["a", "b"]


@pytest.mark.parametrize(
    "command",
    [
        "system printf %s !evil",
        'system printf %s "!evil"',
        "system printf %s $(printf %s !evil)",
        'system printf %s "$(printf %s "x" !evil)"',
        "system printf %s `printf %s x; true !evil`",
        "system printf '%s' 'x' # !evil",
        "system printf x$'y' !evil > /dev/null",
        "system printf x; f() { echo !evil > /dev/null; }; f",
    ],
)
def test_a_value_never_becomes_syntax(node: Node, command: str, tmp_path: Path) -> None:
    set_value(node, "evil", HOSTILE)
    node.run(command)
    assert not list(tmp_path.glob("**/pwned"))


def test_a_value_never_becomes_syntax_in_a_here_document(node: Node, tmp_path: Path) -> None:
    set_value(node, "evil", HOSTILE)
    assert "$(touch pwned)" in node.run("<system cat <<END\n!evil\nEND\n>").text
    assert not list(tmp_path.glob("**/pwned"))


def test_a_value_arrives_as_it_is(node: Node) -> None:
    set_value(node, "evil", HOSTILE)
    assert node.run("system printf %s !evil").text == HOSTILE


@pytest.mark.parametrize(
    "command",
    [
        "system echo $((!evil))",
        "system [[ !evil -eq 1 ]]",
        "system let x=!evil",
        "system true; let x=!evil",
        "system v=abc; echo ${v:!evil}",
        "system if true; then let x=!evil; fi",
    ],
)
def test_only_numbers_go_where_the_shell_calculates(node: Node, command: str) -> None:
    set_value(node, "evil", "a[$(touch pwned)]")
    with pytest.raises(WrongValue) as caught:
        node.run(command)
    assert caught.value.column == command.index("!") + 1


def test_an_undefined_reference_is_an_error_before_anything_runs(
    node: Node, tmp_path: Path
) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(UndefinedVariable):
        node.run("system rm -f !nosuch/* kept")
    assert (tmp_path / "kept").exists()


def test_values_without_a_place_in_a_shell(node: Node) -> None:
    set_value(node, "x", "a\0b")
    with pytest.raises(WrongValue, match="NUL"):
        node.run("system echo !x")
    most = limits.MAX_SHELL_TEXT_BYTES
    set_value(node, "x", "a" * most)
    assert node.run("system printf %s !x | wc -c").text.strip() == str(most)
    set_value(node, "x", "a" * (most + 1))
    with pytest.raises(WrongValue, match=str(most)):
        node.run("system echo !x")


def test_the_length_of_a_command(node: Node) -> None:
    room = limits.MAX_SHELL_TEXT_BYTES - len("true ")
    node.run(f"system true {'a' * room}")
    with pytest.raises(WrongValue, match=str(limits.MAX_SHELL_TEXT_BYTES)):
        node.run(f"system true {'a' * (room + 1)}")


def test_a_failure_names_status_and_last_line(node: Node) -> None:
    with pytest.raises(SystemCallFailed) as caught:
        node.run("system echo first >&2; echo last words >&2; exit 4")
    assert (caught.value.code, str(caught.value)) == (61, "exit status 4: last words")
    with pytest.raises(SystemCallFailed, match=r"^exit status 3: shown$"):
        node.run("system echo shown; exit 3")
    with pytest.raises(SystemCallFailed, match=r"^ended by signal 15$"):
        node.run("system kill $$")
    with pytest.raises(SystemCallFailed, match="no/such/place"):
        node.run("system ls /no/such/place")


def test_a_failure_keeps_the_old_value(node: Node) -> None:
    with pytest.raises(SystemCallFailed):
        node.run("berth = system false")
    assert node.run("get !berth").text == "7"


def test_what_a_success_says_to_stderr_is_a_notice(node: Node) -> None:
    assert node.run("system echo careful >&2; echo done").text == "done"
    assert [notice.text for notice in node.notices()] == ["careful"]


def test_the_deadline_ends_the_whole_group(node: Node, tmp_path: Path) -> None:
    with pytest.raises(SystemCallTimeout) as caught:
        node.run("system timeout = 1 (sleep 600 & echo $! > inner; wait)")
    assert caught.value.code == 26
    assert "timeout = 1 seconds" in str(caught.value)
    pid = pid_in(tmp_path / "inner")
    eventually(lambda: not alive(pid), "the inner process ends")


def test_the_deadline_without_a_timeout_is_named(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SYSTEM_TIMEOUT_S", 0.2)
    with pytest.raises(SystemCallTimeout, match=r"timeout = 0\.2 seconds"):
        node.run("system sleep 600")


@pytest.mark.parametrize("given", ["0", str(limits.MAX_SYSTEM_TIMEOUT_S + 1), "soon", "-1", "1.5"])
def test_wrong_timeouts(node: Node, given: str) -> None:
    with pytest.raises(WrongValue, match=str(limits.MAX_SYSTEM_TIMEOUT_S)):
        node.run(f"system timeout = {given} true")


def test_the_largest_timeout(node: Node) -> None:
    node.run(f"system timeout = {limits.MAX_SYSTEM_TIMEOUT_S} true")


def test_output_has_a_bound(node: Node) -> None:
    most = limits.MAX_SYSTEM_OUTPUT_BYTES
    assert len(node.run(f"system head -c {most} /dev/zero | tr '\\0' x").text) == most
    with pytest.raises(SystemCallFailed, match=str(most)):
        node.run(f"system head -c {most + 1} /dev/zero")
    with pytest.raises(SystemCallFailed, match=str(most)):
        node.run("system yes")


def test_of_error_output_the_end_is_kept(node: Node) -> None:
    command = f"system head -c {limits.MAX_SYSTEM_ERROR_BYTES * 3} /dev/zero >&2; echo end >&2"
    node.run(command)
    (notice,) = node.notices()
    assert notice.text.endswith("end")
    assert len(notice.text) <= limits.MAX_SYSTEM_ERROR_BYTES + 100


def test_what_a_command_leaves_behind_ends_with_it(node: Node, tmp_path: Path) -> None:
    node.run("system (sleep 600 & echo $! > left)")
    pid = pid_in(tmp_path / "left")
    eventually(lambda: not alive(pid), "what was left behind ends")


def test_a_node_that_ends_leaves_nothing_behind(tmp_path: Path) -> None:
    node = Node(tmp_path / "home")
    failures: list[EdgeLakeError] = []

    def wait_long() -> None:
        try:
            node.run(f"system timeout = 600 (sleep 600 & echo $! > {tmp_path}/inner; wait)")
        except EdgeLakeError as exc:
            failures.append(exc)

    thread = threading.Thread(target=wait_long)
    thread.start()
    pid = pid_in(tmp_path / "inner")
    node.close()
    thread.join(10)
    assert not thread.is_alive()
    assert [type(failure) for failure in failures] == [NotRunning]
    eventually(lambda: not alive(pid), "the inner process ends")
    node.close()


def test_many_at_once(node: Node) -> None:
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = node.run(f"system sleep 0.05; echo {number}").text

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == {n: str(n) for n in range(16)}


@pytest.mark.leak
def test_nothing_stays_open(node: Node) -> None:
    node.run("system true")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        node.run("system echo a")
        node.run("python 1")
        node.run("subprocess true")
        for wrong in ("system false", "python (", "system timeout = x true"):
            with pytest.raises(EdgeLakeError):
                node.run(wrong)
    assert len(os.listdir("/proc/self/fd")) == before


# ---------------------------------------------------------------- subprocess


def test_a_detached_command_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "gate")
    with Node(tmp_path / "home") as node:
        set_value(node, "word", "it's here")
        pid = node.run("subprocess cat gate > /dev/null; echo !word > out").data
        assert alive(pid)
    assert alive(pid)
    (tmp_path / "gate").write_text("open")
    eventually(lambda: (tmp_path / "out").exists() and not alive(pid), "it ends by itself")
    assert (tmp_path / "out").read_text() == "it's here\n"


def test_a_node_that_ended_starts_nothing(tmp_path: Path) -> None:
    node = Node(tmp_path / "home")
    children = node._parts.children
    node.close()
    with pytest.raises(NotRunning):
        children.start_detached("true", environment={})


# -------------------------------------------------------------------- python


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("6 * 7", 42),
        ('"pier".upper()', "PIER"),
        ('"a b".split()', ["a", "b"]),
        ("'it' + \"s\"", "its"),
        ("!berth + 1", 8),
        ("!berth-1", 6),
        ("!berth*2", 14),
        ('"!berth" + "1"', "71"),
        ("'!berth'", "!berth"),
        ("!name.lower()", "north pier"),
        ("!name[0:5] + '!'", "North!"),
        ("!name.len + 1", 11),
        ("!evil", HOSTILE),
        ("len(!name) > 3 and not False", True),
        ("[x * x for x in (1, 2, 3) if x > 1]", [4, 9]),
        ('{"a": [1, 2.5, None], "b": {3}}', {"a": [1, 2.5, None], "b": [3]}),
        ("max([1, 5, 3]) if True else 0", 5),
        ("None", None),
        ("(6 & 3)", 2),
        ("2 + 3 # a note", 5),
    ],
)
def test_values_of_expressions(calculator: Node, expression: str, value: object) -> None:
    result = calculator.run(f"python {expression}")
    assert result.data == value
    assert type(result.data) is type(value)
    assert result.json == isinstance(value, list | dict)


def test_a_value_is_kept(node: Node) -> None:
    node.run("total = python !berth * 2")
    assert node.run("get !total").text == "14"
    node.run('list = python ["a", "b"]')
    assert node.run("get !list").text == '["a", "b"]'


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("import os", "'import' is not available here"),
        ("from os import system", "'import' is not available here"),
        ("x = 1", "a statement is no expression"),
        ("while True: pass", "a statement is no expression"),
        ("1 +", "invalid syntax"),
        ("1 / 0", "division by zero"),
        ("nosuch", "'nosuch' is not known here"),
        ("open('/etc/passwd')", "'open' is not available here"),
        ("__import__('os')", "'__import__' is not available here"),
        ("eval('1')", "'eval' is not available here"),
        ("type(1)", "'type' is not available here"),
        ("getattr(1, 'real')", "'getattr' is not available here"),
        ("().__class__", "'__class__' is not available here"),
        ("().__class__.__base__.__subclasses__()", "'__subclasses__' is not available here"),
        ("'x'.__format__('')", "'__format__' is not available here"),
        ("'{0.__class__}'.format(1)", "a part of it is not available here"),
        ("'{a.__class__}'.format_map({'a': 1})", "a part of it is not available here"),
        ("str.format", "a part of it is not available here"),
        ("'x'.encode()", "a part of it is not available here"),
        ("[x for x in (1,)].__class__", "'__class__' is not available here"),
        ("(lambda: 1)()", "lambda is not available here"),
        ("(a := 1)", "an assignment is not available here"),
        ("f'{1:999999999}'", "an f-string is not available here"),
        ('f"{().__class__}"', "an f-string is not available here"),
        ("9**9**9", "a number becomes too large"),
        ("10**5000", "a number becomes too large"),
        ("1 << 99999", "a number becomes too large"),
        ("'a' * 10**9", "a text or list becomes too long"),
        ("[0] * 10**9", "a text or list becomes too long"),
        ("[[1 for a in 'x' * 999] for b in 'y' * 999]", "a text or list becomes too long"),
        ("'%999999999d' % 1", "it is nested too deep, or needs too much memory"),
        ("'a'.ljust(10**10)", "it is nested too deep, or needs too much memory"),
        ("1e999", "the value inf is no number"),
        ("b'a'", "the value is a bytes, not a text, number, list or dict"),
        ("'a'.upper", "the value is a builtin_function_or_method"),
        ("{}['a']", "no entry 'a'"),
        ("[1][5]", "list index out of range"),
        ("int('x')", "invalid literal"),
        ("\0", "null bytes"),
    ],
)
def test_expressions_without_a_value(calculator: Node, expression: str, reason: str) -> None:
    with pytest.raises(ExpressionFailed) as caught:
        calculator.run(f"python {expression}")
    assert caught.value.code == 34
    assert reason in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 10_000 + ")" * 10_000,
        "[" * 60 + "]" * 60 + "[0]" * 9000,
        "-" * 20_000 + "1",
        "not " * 10_000 + "1",
        "1" + " + 1" * 10_000,
        "9" * 20_000,
        "'a'" + ".strip()" * 5000,
        "1 if 1 else " * 4000 + "1",
    ],
)
def test_deep_expressions_end(calculator: Node, expression: str) -> None:
    outcome = outcome_of(calculator, f"python {expression}")
    assert isinstance(outcome, str) or outcome.code in (2, 11, 34)


@pytest.mark.parametrize(
    "expression",
    [
        "sum([sum([a for a in 'x'.ljust(99).replace('x', '1')]) for b in range(9)])",
        "max(sorted(list('ab' * 49999)) + sorted(list('ab' * 49999)) * 1)",
        "str(7**4000000)",
        "[" + ", ".join(["3999999**3999999"] * 40) + "]",
    ],
)
def test_long_calculations_are_ended(
    node: Node, expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXPRESSION_TIMEOUT_S", 1.0)
    with pytest.raises(ExpressionFailed):
        node.run(f"python {expression}")


def test_the_deadline_of_an_expression_is_named(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXPRESSION_TIMEOUT_S", 0.001)
    with pytest.raises(ExpressionFailed, match=r"longer than 0\.001 seconds"):
        node.run("python 1")


def test_the_length_of_an_expression(node: Node) -> None:
    room = limits.MAX_EXPRESSION_CHARS - len("len('')")
    assert node.run(f"python len('{'a' * room}')").data == room
    with pytest.raises(WrongValue, match=str(limits.MAX_EXPRESSION_CHARS)):
        node.run(f"python len('{'a' * (room + 1)}')")


def test_the_length_of_a_value(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_EXPRESSION_RESULT_BYTES", 100)
    room = 100 - len('{"value": ""}')
    assert node.run(f"python 'a' * {room}").text == "a" * room
    with pytest.raises(ExpressionFailed, match="exceeds 100 bytes"):
        node.run(f"python 'a' * {room + 1}")


def test_the_process_of_an_expression_sees_nothing_of_the_node(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONSTARTUP", "/nonexistent")
    monkeypatch.setenv("PYTHONPATH", "/nonexistent")
    monkeypatch.setenv("SECRET", "x")
    assert node.run("python 1 + 1").data == 2
    assert node.run("python $SECRET + 'y'").data == "xy"


# --------------------------------------------------------------------- peers


@pytest.mark.parametrize("command", ["system touch pwned", "subprocess touch pwned", "python 1"])
def test_peers_run_none_of_it(node: Node, command: str, tmp_path: Path) -> None:
    node.run("set remote permission = admin")
    node.run("run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true")
    address = node.run("get connections").data["TCP"]["external"]
    with Client(address) as client, pytest.raises(RemoteError) as caught:
        client.request(command)
    assert caught.value.remote_code == 212
    assert not list(tmp_path.glob("**/pwned"))
