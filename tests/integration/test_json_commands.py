"""Commands on policies and JSON, at a node and between nodes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgelake import Client, Node, limits
from edgelake.commands.bringing import addresses
from edgelake.commands.context import Context, Origin
from edgelake.commands.json_data import set_keys
from edgelake.errors import (
    BadArgument,
    BadDestination,
    BadJson,
    CommandSyntaxError,
    EdgeLakeError,
    KeyMissing,
    NoDestination,
    NoReply,
    PolicyInvalid,
    RemoteError,
    UndefinedVariable,
    WrongValue,
)
from edgelake.language import KeyValue, bring_of_text
from tests.integration.test_node import listen

CLUSTER = '{"cluster":{"company":"acme","name":"c","id":"c1"}}'
POLICIES = (
    '{"operator":{"name":"op1","ip":"10.0.0.11","port":32148,"city":"Oslo","id":"o1",'
    '"company":"acme","cluster":"c1"}}',
    '{"operator":{"name":"op2","ip":"10.0.0.12","port":32149,"main":true,"id":"o2",'
    '"company":"acme","cluster":"c1"}}',
    '{"device":{"name":"d1","path":"Root/Objects/D1","level":3,"on":false,"id":"d1","parent":"o1"}}',
    '{"device":{"name":"d2","path":"Root/D2","level":10,"limit":7,"id":"d2"}}',
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with a few policies."""
    with Node(tmp_path / "home") as node:
        node.run("create work directories")
        for policy in (CLUSTER, *POLICIES):
            node.run(f"blockchain insert where policy = {policy} and local = true")
        node.run("blockchain delete policy where id = c1 and local = true")
        yield node


def text(node: Node, command: str) -> str:
    """Return the answer of a command as a console shows it."""
    return node.run(command).text.replace("\r\n", "\n").strip("\n")


# ----------------------------------------------------------- blockchain get


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("operator bring [*][name] separator = ,", "op1,op2"),
        ('operator bring [operator][name] " : " [operator][port]', "op1 : 32148op2 : 32149"),
        ("operator where city = oslo bring.json [*][port]", '[{"port": 32148}]'),
        ("operator bring.ip_port", "10.0.0.11:32148,10.0.0.12:32149"),
        ("(operator, device) bring.count", "4"),
        ("* bring.unique [*] separator = ,", "operator,device"),
        ("nosuch bring.json", ""),
        ("operator bring.children [*][name]", "d1"),
        ("operator bring.children.count", "1"),
        ("device where id = d2 bring.children [*][name]", ""),
        ('device {"name": "D2"} bring [*][name]', "d2"),
        ('device where {"name": "D2", "level": 10} bring [*][name]', "d2"),
        ('device {"on": false} bring [*][name]', "d1"),
        ('device {"name": "d1"} where level > 5 bring [*][name]', ""),
        ("device where [path] startswith 'root/objects' bring [*][name]", "d1"),
        ("device where [path] childfrom Root/Objects bring [*][name]", "d1"),
        ("device where [path] childfrom root/ bring [*][name]", "d2"),
        ("device where [level] > [limit] bring [*][name]", "d2"),
        ("device where 5 < [level] bring [*][name]", "d2"),
        ("device where not [on] bring [*][name]", "d1d2"),
        ("device where [level] == 3 or [name] == d2 and [level] < 5 bring [*][name]", "d1"),
    ],
)  # fmt: skip
def test_what_is_taken_out_of_policies(node, command, expected):
    assert text(node, f"blockchain get {command}") == expected


def test_a_table_of_policies(node):
    assert text(node, "blockchain get operator bring.table [*] [*][name] [*][port]") == (
        "Policy   Name Port\n--------|----|-----|\noperator|op1 |32148|\noperator|op2 |32149|"
    )


def test_what_is_brought_is_kept_in_variables(node):
    node.run("types = operator")
    node.run("names = blockchain get !types bring.json [*][name]")
    assert text(node, "!names") == '[{"name": "op1"}, {"name": "op2"}]'
    assert text(node, "from !names bring [name] separator = +") == "op1+op2"
    node.run("id = blockchain get device where name = d1 bring [device][id]")
    assert text(node, "!id") == "d1"
    node.run("id = blockchain get device where name = nosuch bring [device][id]")
    assert text(node, "!id") == ""


@pytest.mark.parametrize(
    ("command", "error", "column"),
    [
        ("blockchain get device bring", CommandSyntaxError, 28),
        ("blockchain get device bring.shuffle [*][name]", CommandSyntaxError, 29),
        ("blockchain get device take [device]", CommandSyntaxError, 23),
        ("blockchain get device {", CommandSyntaxError, 23),
        ('blockchain get device {"a": null}', WrongValue, 23),
        ('blockchain get device where {"a": [1]}', WrongValue, 29),
        ("blockchain get device where [a] startwith x", BadArgument, 33),
        ("blockchain get device where [a] in x", BadArgument, 33),
        ("blockchain get device where x contains [a]", BadArgument, 29),
        ("blockchain get device where name", BadArgument, 29),
        ("blockchain get device where [a] with x", BadArgument, 33),
    ],
)
def test_what_cannot_be_asked(node, command, error, column):
    with pytest.raises(error) as caught:
        node.run(command)
    assert caught.value.column == column


def test_peers_get_the_text_that_was_asked_for(node, tmp_path):
    address = listen(node)
    with Node(tmp_path / "other") as other:
        other.run("create work directories")
        listen(other)
        for command, expected in (
            ("blockchain get operator bring [*][name] separator = ,", "op1,op2"),
            ("blockchain get operator bring [*][city]:[*][name] separator = \\n", "Oslo\nop2"),
            ("blockchain get operator bring.json [*][name]", '[{"name": "op1"},{"name": "op2"}]'),
            ("blockchain get operator where name = op1 bring.count", "1"),
            ('from {"a": {"b c": 5}} bring ["a"]["b c"]', "5"),
            ('json {"a": [1, {"b": "x"}]} [a][1][b]', "x"),
        ):
            (answer,) = other.run(f"run client ({address}) {command}").data
            assert answer["reply"].strip() == expected


# --------------------------------------------------------------- json, from


def test_json_is_shown_with_its_values(node):
    node.run("berth = 7")
    node.run('cargo = {"pier":!berth,"dest":{"port":"!berth"}}')
    shown = node.run("json !cargo")
    assert shown.json
    assert json.loads(shown.text) == {"pier": 7, "dest": {"port": "7"}} == shown.data
    assert text(node, "json !cargo [pier]") == "7"
    assert text(node, "json !cargo [dest][port]") == "7"
    assert json.loads(text(node, "json !cargo [dest]")) == {"port": "7"}
    assert text(node, "json [1,true] [1]") == "true"
    assert text(node, 'json {"a": null} [a]') == "null"
    assert text(node, 'json {"pier": 1} test') == "true"
    assert node.run("json {'pier': '!berth', 'open': True}").data == {"pier": "7", "open": True}
    node.run("doc = json !cargo")
    assert text(node, "!doc") == '{"pier": 7, "dest": {"port": "7"}}'


@pytest.mark.parametrize(
    ("command", "error", "column"),
    [
        ("json hello", BadJson, 6),
        ("json {a: 1} test", BadJson, 6),
        ("json !nosuch", UndefinedVariable, 6),
        ('json {"a": !nosuch}', UndefinedVariable, 6),
        ('json {"a": 1} [b]', KeyMissing, 15),
        ('json {"a": 1} tset', WrongValue, 15),
        ('json {"a": 1} [a] [b]', CommandSyntaxError, 19),
        ("from !nosuch bring [a]", UndefinedVariable, 6),
        ('from {"a": 1}', CommandSyntaxError, 14),
    ],
)
def test_json_that_is_none(node, command, error, column):
    with pytest.raises(error) as caught:
        node.run(command)
    assert caught.value.column == column


def test_values_out_of_any_object(node):
    node.run(
        'doc = {"node":{"name":"fen-01","ip":"198.51.100.21","port":34911,"n":[{"a":1},{"a":2}]}}'
    )
    assert text(node, "from !doc bring [node][ip] : [node][port]") == "198.51.100.21:34911"
    assert text(node, "from !doc bring [node][absent]") == ""
    assert text(node, "from !doc bring [node][n][][a]") == "[1,2]"
    assert (
        text(node, "from !doc bring.table [node][name] [node][ip]").splitlines()[0] == "Name   Ip"
    )
    node.run("ipp = from !doc bring.ip_port")
    assert text(node, "!ipp") == "198.51.100.21:34911"
    listed = '[{"a": {"id": "x"}}, {"b": {"id": "y", "parent": "x"}}]'
    assert text(node, f"from {listed} bring.children [*][id]") == "y"
    assert text(node, f"from {listed} bring.count") == "2"


# ------------------------------------------------------- policies by keys


def stored(node: Node, name: str) -> Any:
    """Return the JSON that a variable holds."""
    return json.loads(node.run(f"!{name}").text)


def test_a_policy_is_built_key_by_key(node):
    node.run("port = 34911")
    node.run("set policy p [node] = {} and [node][name] = fen-01 and [node][port] = !port.int")
    node.run(
        'set policy p [node][ip] = 198.51.100.21 and [node][tags] = (a, b) and [node][note] = ""'
    )
    node.run('set policy p [node][tags][1] = {"port": !port} and [node][main] = true.bool')
    assert stored(node, "p") == {
        "node": {
            "name": "fen-01",
            "port": 34911,
            "ip": "198.51.100.21",
            "tags": ["a", {"port": 34911}],
            "note": "",
            "main": True,
        }
    }
    node.run("blockchain insert where policy = !p and local = true")
    assert text(node, "blockchain get node bring [node][tags][1][port]") == "34911"


def test_references_in_a_stored_policy_get_their_values(node):
    node.run("ip = 10.0.0.7")
    node.run('p = {"node":{"ip":!ip}}')
    node.run("set policy p [node][port] = 5.int")
    assert stored(node, "p") == {"node": {"ip": "10.0.0.7", "port": 5}}


SPY = '{"query":{"name":"$SECRET_OF_NODE","city":"!own","port":"!own","id":"spy"}}'


def told(node: Node, command: str) -> None:
    """Have a peer send a command as it stands, without references replaced at the sender."""
    address = listen(node)
    node.run("set remote permission = admin")
    with Client(address) as peer, pytest.raises(NoReply):
        peer.request(command, timeout=1)
    assert not json.loads(node.run("get error log where format = json").text)


@pytest.mark.parametrize(
    "made",
    [
        "p = blockchain get query where id = spy bring.last.json",
        "p = from !all bring.last.json [query]",
        "p = json !all",
        "p[query] = blockchain get query where id = spy bring.last.json",
        "p[query][name] = !name",
        "p = !all",
        'p = {"all": !all}',
        "p = !all[0:]",
        "p = !all.str",
    ],
)
def test_references_in_what_others_wrote_are_data(node, monkeypatch, made):
    """Else a policy of a stranger has the node hand out its environment."""
    monkeypatch.setenv("SECRET_OF_NODE", "hunter2")
    node.run("own = hunter3")
    told(node, f"blockchain insert where policy = {SPY} and local = true")
    node.run("all = blockchain get query where id = spy bring.json")
    node.run("name = blockchain get query where id = spy bring [query][name]")
    node.run("p = {}")
    node.run("p[query] = {}")
    node.run(made)
    node.run("set policy q [found] = !p")
    node.run("r = json !q")
    for command in ("json !p", "json !q", "get !r", "from !q bring [found]", "print !p !q !r"):
        answer = text(node, command)
        assert "$SECRET_OF_NODE" in answer
        assert "hunter" not in answer


def test_what_peers_set_is_data(node, monkeypatch):
    monkeypatch.setenv("SECRET_OF_NODE", "hunter2")
    told(node, f"set p = {SPY}")
    node.run("q = json !p")
    for command in ("json !p", "get !q"):
        assert "$SECRET_OF_NODE" in text(node, command)


@pytest.mark.parametrize("level", ["read", "metadata", "admin"])
def test_secrets_in_variables_are_not_for_peers(node, level):
    node.run("set db_password = hunter2")
    node.run("set remote permission = " + level)
    address = listen(node)
    with Client(address) as peer:
        for command in (
            "get !db_password",
            "get !db_password.len",
            "get !db_password[0:1]",
            "json !db_password",
            "from {} bring !db_password",
            "create policy p where a = !db_password",
            "random substr x !db_password",
            "file get !db_password here",
            "blockchain get operator where name = !db_password",
            "get !unknown_token",
        ):
            with pytest.raises(RemoteError, match="not permitted") as caught:
                peer.request(command)
            assert "hunter" not in str(caught.value)
        assert "***" in peer.request("get dictionary db_pass")
    assert text(node, "get !db_password") == "hunter2"


def test_a_copy_of_what_was_written_here_is_written_here(node):
    node.run('p = {"node":{"ip":!ip}}')
    node.run("q = !p")
    node.run("set r = !q")
    node.run("ip = 10.0.0.7")
    assert text(node, "json !r [node][ip]") == "10.0.0.7"


def test_json_out_of_many_values_is_bounded(node):
    node.run("set a0 = " + "x" * 10)
    for n in range(1, 9):
        node.run(f"a{n} = [{','.join([f'!a{n - 1}'] * 30)}]")
    assert len(text(node, "json !a2")) > 9000
    with pytest.raises(BadArgument, match="more than"):
        node.run("json !a8")


@pytest.mark.parametrize(
    "command",
    [
        "set y = " + "!x" * 9,
        "y = !x + " * 8 + "!x",
        "print" + " !x" * 9,
        "y = (!x" + ", !x" * 9 + ")",
    ],
)
def test_texts_out_of_many_values_are_bounded(node, command):
    node.run("set x = " + "x" * (limits.MAX_EXPANDED_CHARS // 9))
    node.run(command.replace(" !x", "", 1) if command.startswith("print") else "set y = !x!x")
    node.run("set x = " + "x" * (limits.MAX_EXPANDED_CHARS // 9 + 10))
    with pytest.raises(BadArgument, match="more than"):
        node.run(command)


@pytest.mark.parametrize(
    ("command", "error", "column"),
    [
        ("set policy p [node] = {} and [node][x][y] = 5", KeyMissing, 14),
        ("set policy p [node][a][b] = 5", KeyMissing, 14),
        ("set policy p [node] = five.int", WrongValue, 23),
        ("set policy p [node] = {} [node][a] = 2", CommandSyntaxError, 26),
        ("set policy $HOME [node] = 5", BadArgument, 18),
        ("set policy berth [node] = 5", BadJson, 18),
        ("set policy bad [node] = 5", UndefinedVariable, 16),
        ("set policy p", CommandSyntaxError, 13),
        ("set policy p [node] 5", CommandSyntaxError, 21),
    ],
)
def test_a_policy_that_cannot_be_set_stays_as_it_was(node, command, error, column):
    node.run("berth = 7")
    node.run('bad = {"a":!nosuch}')
    node.run("set policy p [kept] = 1.int")
    with pytest.raises(error) as caught:
        node.run(command)
    assert caught.value.column == column
    assert stored(node, "p") == {"kept": 1}
    assert text(node, "!berth") == "7"


def test_keys_are_assigned(node):
    node.run("cargo[dest] = Oslo")
    node.run("cargo[route] = {}")
    node.run("cargo[route][leg1] = North Pier")
    node.run("leg = leg2")
    node.run('cargo[route][!leg] = {"km": 5, "via": !cargo}')
    node.run("cargo[tons] = 40.int")
    node.run("cargo[empty] = " + '""')
    node.run("cargo[names] = blockchain get operator bring.json [*][name]")
    node.run("cargo[first] = blockchain get operator bring.first [*][name]")
    node.run("cargo[names][1] = !leg")
    assert stored(node, "cargo") == {
        "dest": "Oslo",
        "route": {
            "leg1": "North Pier",
            "leg2": {"km": 5, "via": {"dest": "Oslo", "route": {"leg1": "North Pier"}}},
        },
        "tons": 40,
        "empty": "",
        "names": [{"name": "op1"}, "leg2"],
        "first": "op1",
    }


@pytest.mark.parametrize(
    ("command", "error", "column"),
    [
        ("cargo[nowhere][leg1] = Esbjerg", KeyMissing, 6),
        ("cargo[kept][leg1] = Esbjerg", WrongValue, 6),
        ("cargo[*] = Esbjerg", WrongValue, 6),
        ("cargo[!nosuch] = Esbjerg", UndefinedVariable, 6),
        ("cargo[port] = five.int", WrongValue, 15),
        ("cargo[port] = {bad}", BadJson, 15),
        ("cargo[port] = get !nosuch", UndefinedVariable, 19),
        ("berth[port] = 5", BadJson, 6),
        ("$HOME[port] = 5", BadArgument, 6),
    ],
)
def test_a_key_that_cannot_be_assigned(node, command, error, column):
    node.run("berth = 7")
    node.run("cargo[kept] = 1.int")
    with pytest.raises(error) as caught:
        node.run(command)
    assert caught.value.column == column
    assert stored(node, "cargo") == {"kept": 1}


def test_keys_that_threads_set_at_once_all_stay(node):
    variables = node._parts.variables
    names = [f"k{n}" for n in range(24)]
    start = threading.Barrier(4)

    def fill(own: list[str]) -> None:
        start.wait()
        for name in own:
            set_keys(variables, "shared", [KeyValue((name,), 1)])

    threads = [threading.Thread(target=fill, args=(names[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored(node, "shared") == dict.fromkeys(names, 1)


def test_a_policy_of_attributes(node):
    made = node.run(
        'create policy sensor where name = silo7 and depth = 12.int and at = {"x": 1.5}'
    )
    assert made.data == {"sensor": {"name": "silo7", "depth": 12, "at": {"x": 1.5}}}
    assert json.loads(made.text) == made.data
    node.run("own = create policy sensor with defaults where name = silo8")
    assert stored(node, "own") == {"sensor": {"name": "silo8"}}


def test_defaults_of_a_node(node):
    address = listen(node)
    node.run("external_ip = 203.0.113.9")
    port = int(address.rpartition(":")[2])
    node.run(f"anylog_server_port = {port}")
    made = node.run("create policy operator with defaults where company = acme and name = op9")
    assert made.data == {
        "operator": {
            "company": "acme",
            "name": "op9",
            "ip": "203.0.113.9",
            "local_ip": "127.0.0.1",
            "port": port,
            "rest_port": 2148,
        }
    }


@pytest.mark.parametrize(
    ("command", "error", "column"),
    [
        ("create policy sensor", CommandSyntaxError, 21),
        ("create policy where name = a", CommandSyntaxError, 14),
        ("create policy sensor with where name = a", WrongValue, 22),
        ("create policy sensor where name", CommandSyntaxError, 32),
        ("create policy sensor where name = a and name = b", EdgeLakeError, 48),
        ("create policy a/b where name = a", WrongValue, 15),
        ("create policy sensor where k = {bad}", BadJson, 32),
    ],
)
def test_a_policy_that_cannot_be_made(node, command, error, column):
    with pytest.raises(error) as caught:
        node.run(command)
    assert caught.value.column == column


def test_a_policy_has_the_bounds_of_a_policy(node):
    node.run("big = " + "x" * 2_000_000)
    with pytest.raises(PolicyInvalid, match="exceeds"):
        node.run("create policy sensor where note = !big")


def test_destinations_out_of_policies(node, tmp_path):
    ip, port = listen(node).split(":")
    place = f'"ip":"{ip}","port":{port}'
    for policy in (f'{{"query":{{"name":"q1",{place}}}}}', '{"query":{"name":"q2","ip":"a, b"}}'):
        node.run(f"blockchain insert where policy = {policy} and local = true")
    for form in (
        "blockchain get query bring.ip_port",
        "blockchain get query where name = q1 bring.first.ip_port",
        "blockchain get query where name = q1 bring [*][ip] : [*][port]",
        "query",
    ):
        (answer,) = node.run(f"run client ({form}) get status").data
        assert answer["node"] == f"{ip}:{port}"
    for form, error in (
        ("blockchain get query bring.ip_prt", CommandSyntaxError),
        ("blockchain get query bring.count", BadDestination),
        ("blockchain get query bring [*][name]", BadDestination),
        ("blockchain get query where name = q2 bring.ip_port", NoDestination),
    ):
        with pytest.raises(error) as caught:
            node.run(f"run client ({form}) get status")
        assert caught.value.column


def test_addresses_for_destinations(node):
    context = Context(node._parts, node._interpreter, Origin(), lambda result: None)
    found = [json.loads(policy) for policy in POLICIES]
    wanted = bring_of_text("bring.ip_port")
    assert addresses(context, found, wanted) == ("10.0.0.11:32148", "10.0.0.12:32149")
    assert addresses(context, found, bring_of_text("bring.first.ip_port")) == ("10.0.0.11:32148",)
    assert addresses(context, found, bring_of_text("bring.json.ip_port"))[1:] == (
        "10.0.0.12:32149",
    )
    made = bring_of_text("bring [operator][ip] : [operator][port]")
    assert addresses(context, [*found, found[0]], made) == ("10.0.0.11:32148", "10.0.0.12:32149")
    assert addresses(context, found[2:], wanted) == ()


def test_set_takes_keys_as_an_assignment_does(node: Node) -> None:
    for line in (
        "set kind = operator",
        "set pier[operator] = {}",
        'set pier[!kind][name] = "fen 01"',
        "set pier[operator][sea mark] = 5.int",
        "set pier[operator][tags] = ['get', 'status']",
    ):
        node.run(line)
    wanted = {"operator": {"name": "fen 01", "sea mark": 5, "tags": ["get", "status"]}}
    assert json.loads(node.run("!pier").text) == wanted
    for n in range(3):  # also when the shape of the command is known
        node.run(f"set boat{n}[k] = {n}.int")
        assert json.loads(node.run(f"!boat{n}").text) == {"k": n}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("set pier[] = 5", "a key without a name"),
        ("set pier[a][b] = 5", "[a]"),
        ("set [a] = 5", "'[a]' is not a name"),
        ("set pi!er[a] = 5", "is not a name"),
        ("set pier [a] = 5", "unexpected word '[a]'"),
    ],
)
def test_set_with_wrong_keys_sets_nothing(node: Node, command: str, told: str) -> None:
    with pytest.raises(EdgeLakeError) as caught:
        node.run(command)
    assert told in str(caught.value)
    assert "pier" not in node.run("get dictionary where format = json").data
