"""Shapes of commands: which texts have one, how many are kept, and what a plan keeps of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from edgelake import limits
from edgelake.errors import NotPermitted, WrongValue
from edgelake.language import (
    Command,
    CommandRegistry,
    Variables,
    bind,
    from_wire,
    parse,
    parse_remote,
    plans,
    read_remote,
    recall,
)
from edgelake.language.plans import Plans
from edgelake.language.shapes import Memory, ShapeReader
from tests.language import sample

OWN = Variables({"a": "5"}, {})
PEERS = OWN.for_peers()


@pytest.fixture
def registry() -> CommandRegistry:
    """A registry that remembers no command; its parser is built once."""
    sample.REGISTRY.plans = None
    return sample.REGISTRY


def same_call(text: str, registry: CommandRegistry, variables: Variables) -> None:
    """Check that the call from memory is the one that parsing gives."""
    call = recall(text, registry, variables)
    assert call is not None
    slow = bind(parse_remote(text, registry), registry, variables)
    for name in ("arguments", "options", "given", "text", "value", "words", "source", "statement"):
        assert getattr(call, name) == getattr(slow, name), name
    assert call.command is slow.command


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("set a = 5", "set owner = 66"),
        ('set a = ""', 'set b = "North Pier"'),
        ("get status", "get status"),
        ("get status where include = a", "get status where include = b.c"),
        ("print a and b", "print ccc and d"),
        ('event get_blockchain "f g" 5f 1', 'event get_blockchain "ff gg h" 6 0'),
        ("set buffer threshold where time = 1 minute", "set buffer threshold where time = 9 days"),
        (
            'blockchain insert where policy = {"a":1} and master = a.b:1',
            'blockchain insert where policy = {"b":{"c":[1, "]"]}} and master = c:22',
        ),
        (
            "connect dbms x where type = sqlite and password = p and port = 5",
            "connect dbms yy where type = sqlite and password = qrs and port = 66",
        ),
    ],
)
def test_a_text_of_a_known_shape_is_not_parsed(
    first: str, second: str, registry: CommandRegistry
) -> None:
    assert recall(second, registry, PEERS) is None
    read_remote(first, registry, PEERS)
    same_call(second, registry, PEERS)
    same_call(second, registry, OWN)


def test_values_come_without_a_parse_and_nodes_with_one(
    registry: CommandRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a text was parsed")

    read_remote("set a = 5", registry, PEERS)
    with monkeypatch.context() as patch:
        patch.setattr(plans, "parse_remote", never)
        call = read_remote("set bc = 66", registry, PEERS)
        assert (call.arguments, call.value, call.options) == ({"name": "bc"}, "66", {})
        with pytest.raises(AssertionError):
            call.column("name")
    assert (call.column("name"), call.column("value")) == (5, 10)


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("set a = 5", text)
        for text in (
            *("set a = and", "set a = or", "set a = where", "set a = using", "set a = bring"),
            *("set a = bring.x", "set a = not", "set a = in", "set a = =", "set a = 5=", "set a ="),
            *(
                "set a = !a",
                "set a = $A",
                "set a = '5'",
                "set a = `5`",
                'set a = 5"',
                "set a = (5)",
            ),
            *(
                "set a = [5]",
                "set a = {5}",
                'set a = "5"',
                "set a = 5 6",
                "set a = 5,6",
                "set a = +",
            ),
            *("set a = 5 # 6", "set a = 5 & exit tcp", "set a = 5&", "set a =  5", " set a = 5"),
            *("set a = 5 ", "set a = 5\n", "set a\t= 5", "set a = é", "set a = ->", "set a == 5"),
            *("set a = 5\0", "set a < 5", "set = a 5", "seta = 5", "set a=5", "set a = a!b", ""),
        )
    ]
    + [
        ('set a = "5"', 'set a = "!a"'),
        ('set a = "5"', 'set a = "$A"'),
        ('set a = "5"', 'set a = "5"6'),
        ('set a = "5"', 'set a = "5'),
        ('blockchain push {"a":1}', 'blockchain push {"a":1}{}'),
        ('blockchain push {"a":1}', 'blockchain push {"a":1'),
        ('blockchain push {"a":1}', 'blockchain push {"a":1]}'),
        ("get status where format = json", "get status where include = json"),
        ("get status where format = json", "get status where format = json and format = json"),
        ("exit tcp", "exit exit & exit"),
        ("run blockchain sync where dest = file", "run blockchain sync using dest = file"),
    ],
)
def test_no_other_text_is_taken_for_the_shape(
    known: str, other: str, registry: CommandRegistry
) -> None:
    read_remote(known, registry, PEERS)
    assert recall(known, registry, PEERS) is not None
    assert recall(other, registry, OWN) is None


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ('get "status"', 'get "processes"'),
        ('set "a" = 5', 'set "b" = 5'),
        (
            'connect dbms x where type = sqlite and "user" = 5',
            'connect dbms x where type = sqlite and "port" = 5',
        ),
    ],
)
def test_quoted_words_of_names_and_keys_are_no_values(
    known: str, other: str, registry: CommandRegistry
) -> None:
    read_remote(known, registry, PEERS)
    assert recall(other, registry, PEERS) is None
    call = read_remote(other, registry, PEERS)
    assert call.source == other
    assert call.options == bind(parse_remote(other, registry), registry, PEERS).options
    assert call.command is bind(parse_remote(other, registry), registry, PEERS).command


def test_references_in_json_are_replaced_each_time(registry: CommandRegistry) -> None:
    read_remote('blockchain push {"a":1}', registry, PEERS)
    text = 'blockchain push {"a":!a}'
    assert recall(text, registry, OWN) is None
    assert bind(parse(text, registry)[0], registry, OWN).arguments["policy"].data == {"a": 5}
    text = 'blockchain push {"a":"!a"}'
    call = recall(text, registry, PEERS)
    assert call is not None
    assert call.arguments["policy"].data == {"a": "!a"}


def test_a_wrong_value_has_its_place(registry: CommandRegistry) -> None:
    read_remote("connect dbms x where type = sqlite and port = 5", registry, PEERS)
    with pytest.raises(WrongValue, match="port: '70000' is not a port") as caught:
        read_remote("connect dbms xyz where type = sqlite and port = 70000", registry, PEERS)
    assert caught.value.column == 49


def test_values_given_twice_are_compared_each_time(registry: CommandRegistry) -> None:
    read_remote("get status where include = a and include = b", registry, PEERS)
    assert recall("get status where include = c and include = c", registry, PEERS) is None


def test_a_command_is_checked_before_its_words(registry: CommandRegistry) -> None:
    def refuse(command: Command) -> None:
        raise NotPermitted(f"'{command.name}' is not permitted")

    read_remote("connect dbms x where type = sqlite and port = 5", registry, PEERS)
    with pytest.raises(NotPermitted, match="'connect dbms'"):
        read_remote(
            "connect dbms x where type = sqlite and port = x", registry, PEERS, check=refuse
        )


def test_what_was_refused_is_not_remembered(registry: CommandRegistry) -> None:
    def refuse(command: Command) -> None:
        raise NotPermitted(command.name)

    with pytest.raises(NotPermitted):
        read_remote("set a = 5", registry, PEERS, check=refuse)
    assert len(Plans.of(registry).memory) == 0


def test_a_plan_keeps_no_values(registry: CommandRegistry) -> None:
    read_remote("set secret_name = hidden1", registry, PEERS)
    read_remote("connect dbms x where type = sqlite and password = hidden2", registry, PEERS)
    memory = Plans.of(registry).memory
    assert len(memory) == 2
    for text in ("set a = b", "connect dbms y where type = sqlite and password = b"):
        shape, _ = Plans.of(registry).shapes.read(text)
        assert "hidden" not in repr((shape, memory.get(shape)))
        assert "secret_name" not in repr((shape, memory.get(shape)))


def test_types_by_text_take_what_they_parse() -> None:
    seen = set()
    for command in sample.REGISTRY:
        for declared in (*command.arguments, *command.options, command.value):
            if declared is None or not declared.type.by_text:
                continue
            seen.add(type(declared.type).__name__)
            for text in ('{"a": 1}', "true", "5", "json", "a.b:1", '"30 seconds"', "5 KB", "set"):
                (statement,) = parse(f"print {text}", sample.REGISTRY)
                items = statement.words[1:]  # type: ignore[union-attr]
                taken = outcome(lambda kind=declared.type, items=items: kind.take(items, OWN))
                plain = text.strip('"')
                assert taken == outcome(lambda kind=declared.type, text=plain: kind.parse(text))
    assert len(seen) >= 12


def outcome(action: Any) -> Any:
    """Return the value of an action, or the text of its error."""
    try:
        return action()
    except ValueError as error:
        return str(error)


# ------------------------------------------------------------------ bounds


def test_shapes_are_bounded_and_the_older_half_goes() -> None:
    memory: Memory[int] = Memory(4)
    for n in range(4):
        memory.put((str(n),), n)
    assert [memory.get((str(n),)) for n in range(4)] == [0, 1, 2, 3]
    memory.put(("3",), 33)  # known already: nothing has to go
    assert len(memory) == 4
    memory.put(("4",), 4)
    assert [memory.get((str(n),)) for n in range(5)] == [None, None, 2, 33, 4]


def test_a_peer_cannot_fill_the_memory(registry: CommandRegistry) -> None:
    memory = Plans.of(registry).memory
    words = ("status", "dbms", "table", "server")
    for n in range(limits.MAX_SHAPES + 1):
        spelled = " ".join(words[n >> shift & 3] for shift in range(0, 12, 2))
        read_remote(f"print {spelled}", registry, PEERS)
        assert len(memory) <= limits.MAX_SHAPES
        if n == limits.MAX_SHAPES - 1:
            assert len(memory) == limits.MAX_SHAPES
    assert len(memory) == limits.MAX_SHAPES // 2 + 1


def test_long_texts_have_no_shape(registry: CommandRegistry) -> None:
    shapes = ShapeReader(registry)
    most = limits.MAX_SHAPE_WORDS
    assert len(shapes.read(" ".join(["print"] * most))[0]) == most
    assert shapes.read(" ".join(["print"] * (most + 1))) == ((), [])
    text = "set a = " + "x" * (limits.MAX_SHAPE_CHARS - len("set a = "))
    assert shapes.read(text)[0] == ("set", "x", "=", "x")
    assert shapes.read(text + "x") == ((), [])


@pytest.mark.parametrize("part", ["{", "{ ", '{"', '" ', '"a', "a" * 50 + ",", "{a{", "= ", "{[] "])
def test_hostile_texts_are_looked_at_once(part: str, registry: CommandRegistry) -> None:
    # With a pattern that tries again this takes hours; nobody measures anything here.
    text = "set a = " + part * (limits.MAX_SHAPE_CHARS // len(part) - 8)
    assert ShapeReader(registry).read(text) == ((), [])


@pytest.mark.stress
def test_threads_learn_and_forget_together(registry: CommandRegistry) -> None:
    Plans.of(registry).memory = Memory(8)
    threads, rounds = 8, 400
    words = ("status", "dbms", "table", "server", "x", "and")
    start = threading.Barrier(threads)

    def run(number: int) -> None:
        start.wait()
        for n in range(rounds):
            text = f"print {words[n % 6]} t{number} {words[n // 6 % 6]} n{n}"
            call = read_remote(text, registry, PEERS)
            assert call.text == text.removeprefix("print ")
            assert call.statement.text == text
            assert len(Plans.of(registry).memory) <= 8

    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(run, number) for number in range(threads)]:
            future.result()


# ---------------------------------------------------------------- the wire


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("set a = 5", "set a = 5"),
        ('set a = "x y"', 'set a = "x y"'),
        ('set a = "x\ty"', 'set a = "x y"'),
        ("get status", "get status"),
        ("get  status", "get status"),
        ("print a and b", 'print a "and" b'),
        ('blockchain push {"a":"b\tc"}', 'blockchain push {"a":"b\tc"}'),
    ],
)
def test_texts_of_simple_words_are_spoken_already(text: str, spoken: str) -> None:
    assert from_wire(text) == spoken
