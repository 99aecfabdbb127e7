"""Calls: typed values, defaults, places, secrets, permission."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from edgelake import limits
from edgelake.errors import (
    CommandError,
    CommandSyntaxError,
    ConfigurationError,
    NotPermitted,
    UnbalancedInput,
    UnknownCommand,
    WrongValue,
)
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    Argument,
    Call,
    Command,
    CommandRegistry,
    CommandSet,
    CommandStatement,
    Form,
    Integer,
    Option,
    Remote,
    Text,
    Variables,
    Where,
    Words,
    bind,
    parse,
    parse_remote,
)
from tests.language.sample import REGISTRY, commands

VARIABLES = Variables({"a": "5", "ip": "198.51.100.7"}, {})


def call(text: str) -> Call:
    """Return the call of a text."""
    (statement,) = parse(text, REGISTRY)
    return bind(statement, REGISTRY, VARIABLES)


def test_options_have_types_and_defaults() -> None:
    found = call("run tcp server where external_ip = !ip and external_port = 32048 and bind = TRUE")
    assert found.command.name == "run tcp server"
    assert found.options == {
        "external_ip": "198.51.100.7",
        "external_port": 32_048,
        "internal_ip": None,
        "internal_port": None,
        "bind": True,
        "threads": 6,
    }
    assert found.given == {"external_ip", "external_port", "bind"}


def test_repeatable_options_are_tuples() -> None:
    assert call("run blockchain sync").options["dest"] == ()
    assert call("run blockchain sync where dest = file").options["dest"] == ("file",)
    for text in ("dest = dbms and dest = file", "dest = (dbms, file)"):
        found = call(f"run blockchain sync where {text}")
        assert found.options["dest"] == ("dbms", "file")


def test_arguments() -> None:
    found = call('process !a/x.al one "two three" !a')
    assert found.arguments == {"script": "5/x.al", "words": ("one", "two three", "5")}
    assert call("get dictionary").arguments == {"part": None}
    assert call("process a").arguments["words"] == ()


def test_text_is_expanded() -> None:
    assert call('print "a  b" !a c').text == "a  b 5 c"
    assert call("help").text == ""


def test_the_longest_name_wins() -> None:
    assert call("get !a").command.name == "get"
    assert call("get status").command.name == "get status"
    assert call('set "remote" permission = read').command.name == "set remote permission"
    assert call("set remote = read").command.name == "set"


def test_conditions_are_kept() -> None:
    found = call("blockchain get device where a = 1 or b = 2")
    assert found.condition is not None
    assert found.options == {}
    assert call("blockchain get *").condition is None


def test_columns() -> None:
    text = "connect dbms x where type = sqlite and memory = true"
    found = call(text)
    assert found.column("name") == text.index(" x ") + 2
    assert found.column("memory") == text.index("true") + 1
    assert found.column("port") is None


def test_references_of_an_option() -> None:
    found = call("get status where include = !a and include = !ip")
    assert found.references("include") == {"a": "5", "ip": "198.51.100.7"}
    assert call("get status").references("include") == {}
    with pytest.raises(WrongValue) as caught:
        call("get status where include = berth").references("include")
    assert caught.value.column == 28


def test_secret_values_are_not_in_the_source() -> None:
    found = call('connect dbms x where type = psql and password = "pw 77" and port = 5')
    assert found.options["password"] == "pw 77"
    assert found.source == "connect dbms x where type = psql and password = *** and port = 5"


def test_check_comes_before_any_value() -> None:
    seen: list[str] = []

    def refuse(command: Command) -> None:
        seen.append(command.name)
        raise NotPermitted("no")

    (statement,) = parse("run tcp server where nonsense", REGISTRY)
    with pytest.raises(NotPermitted):
        bind(statement, REGISTRY, VARIABLES, check=refuse)
    assert seen == ["run tcp server"]


@pytest.mark.parametrize("text", ["x = 5", "!a"])
def test_only_commands_bind(text: str) -> None:
    (statement,) = parse(text, REGISTRY)
    with pytest.raises(CommandError):
        bind(statement, REGISTRY, VARIABLES)


def test_assignment_of_a_command_keeps_the_command() -> None:
    (statement,) = parse("x = get status where format = json", REGISTRY)
    assert statement.command.source == "get status where format = json"  # type: ignore[union-attr]
    assert statement.plain_target  # type: ignore[union-attr]
    (statement,) = parse("x[k] = get status", REGISTRY)
    assert not statement.plain_target  # type: ignore[union-attr]
    assert statement.target_text == "x[k]"  # type: ignore[union-attr]


def test_remote_commands() -> None:
    statement = parse_remote("get status", REGISTRY)
    assert isinstance(statement, CommandStatement)
    with pytest.raises(UnknownCommand):
        parse_remote("get status & get status", REGISTRY)


# ---------------------------------------------------------------- bounds


@pytest.mark.parametrize("bracket", "([{")
def test_nesting_is_bounded(bracket: str) -> None:
    closing = {"(": ")", "[": "]", "{": "}"}[bracket]
    deep = limits.MAX_NESTING
    assert parse(f"print {bracket * deep}{closing * deep}", REGISTRY)
    with pytest.raises(UnbalancedInput, match="deep") as caught:
        parse(f"print {bracket * (deep + 1)}{closing * (deep + 1)}", REGISTRY)
    assert caught.value.column == 7 + deep


def test_many_brackets_side_by_side_are_no_nesting() -> None:
    assert parse("print " + "(a) " * 200 + '"((((" ' * 100, REGISTRY)


def test_words_and_characters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_COMMAND_TOKENS", 10)
    with pytest.raises(CommandSyntaxError, match="10 words"):
        parse("print " + "a " * 10, REGISTRY)
    monkeypatch.setattr(limits, "MAX_COMMAND_CHARS", 10)
    with pytest.raises(CommandSyntaxError, match="exceeds 10"):
        parse("print abcdefg", REGISTRY)


def test_a_large_policy_is_few_words() -> None:
    rows = ",".join(f'{{"k":"v{n}"}}' for n in range(20_000))
    (statement,) = parse(f'blockchain push {{"a":{{"x":[{rows}]}}}}', REGISTRY)
    found = bind(statement, REGISTRY, VARIABLES)
    assert len(found.arguments["policy"].data["a"]["x"]) == 20_000


def test_threads_build_and_use_one_parser() -> None:
    registry = CommandRegistry([commands])
    start = threading.Barrier(4)

    def work(n: int) -> str:
        start.wait(timeout=10)
        (statement,) = parse(f"print {n}", registry)
        return bind(statement, registry, VARIABLES).text

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == ["0", "1", "2", "3"]


# ---------------------------------------------------------- declarations


def _handler(context: object, call: Call) -> Result:
    return Result()


def test_handlers_stay_as_they_are() -> None:
    made = CommandSet(group="g")
    assert made.command("a b", summary="s")(_handler) is _handler
    (command,) = made
    assert (command.name, command.group, len(made)) == ("a b", "g", 1)
    assert command.permission is Permission.NEVER


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "Get x"},
        {"name": "get  x"},
        {"options": (Option("a", Text()),)},
        {"options": (Option("a", Text()), Option("a", Text())), "where": Where.OPTIONAL},
        {"arguments": (Argument("a", Words()), Argument("b", Text()))},
        {"arguments": (Argument("a", Text(), repeatable=True), Argument("b", Text()))},
        {"form": Form.FREE},
        {"form": Form.REMOTE},
    ],
)
def test_contradicting_declarations(wrong: dict[str, object]) -> None:
    declared: dict[str, object] = {"name": "a", "summary": "s", "handler": _handler, **wrong}
    with pytest.raises(ConfigurationError):
        Command(**declared)  # type: ignore[arg-type]


def test_names_are_unique() -> None:
    with pytest.raises(ConfigurationError, match="twice"):
        CommandRegistry([commands, commands])


def test_registry() -> None:
    assert REGISTRY.names() == sorted(REGISTRY.names())
    assert len(REGISTRY) == len(list(REGISTRY))
    assert REGISTRY.get("get status") is REGISTRY.longest(["get", "status", "x"])
    assert REGISTRY.longest(["nosuch"]) is None
    assert REGISTRY.longest([]) is None
    assert {"get", "set", "run"} <= REGISTRY.first_words()
    assert REGISTRY.family(["run", "tcp"]) == ["run tcp server"]
    assert REGISTRY.nearest(["GET", "STATUS"])[:2] == ["get", "get status"]


def test_text_commands_may_have_names_of_several_words() -> None:
    made = CommandSet(group="g")
    text = (Argument("text", Words()),)
    made.command("set note", summary="s", arguments=text, form=Form.FREE)(_handler)
    made.command("set", summary="s", arguments=(Argument("n", Integer()),))(_handler)
    made.command(
        "send to",
        summary="s",
        arguments=(Argument("where", Text()), Argument("c", Remote())),
        form=Form.REMOTE,
    )(_handler)
    registry = CommandRegistry([made])

    def bound(text: str) -> Call:
        return bind(parse(text, registry)[0], registry, VARIABLES)

    assert bound("set  note a = b & set 5").text == "a = b"
    assert bound("set 5").arguments == {"n": 5}
    assert bound("send to x get a = b").arguments == {"where": "x", "c": "get a = b"}
    with pytest.raises(UnknownCommand):
        bound("setnote a")
