"""Pages of other sites, and names that are not the node's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Node, errors, limits
from tests.http_calls import HOST, Caller, basic, rest_node

WALL = "http://wall.example:3000"
EVIL = "http://evil.example"
PREFLIGHT = {"Access_Control_Request_Method": "GET", "Access_Control_Request_Headers": "command"}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """Who calls a server that was told of no site."""
    with rest_node(tmp_path_factory.mktemp("closed"), tcp=False) as (_, call):
        yield call


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Caller]]:
    """Have a server that was told of two sites and two names, and who calls it."""
    home = tmp_path_factory.mktemp("shared")
    sites = f"{WALL} and cors = https://other.example"
    names = "node.example and host = Fen-01.example"
    with rest_node(home, tcp=False, cors=sites, host=names) as both:
        yield both


# ---------------------------------------------------------------------- CORS


def test_no_page_may_call_unless_the_server_was_told(closed: Caller) -> None:
    for headers in ({"Origin": EVIL}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}):
        reply = closed.get("get status", **headers)
        assert (reply.status, reply.data["code"]) == (403, 212)
        assert "access-control-allow-origin" not in reply.headers
    reply = closed("OPTIONS", Origin=WALL, **PREFLIGHT)
    assert reply.status == 403
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_a_page_of_a_site_that_it_was_told_may(shared: tuple[Node, Caller]) -> None:
    _, call = shared
    for site in (WALL, "https://other.example"):
        reply = call("OPTIONS", Origin=site, **PREFLIGHT)
        assert (reply.status, reply.body) == (204, b"")
        assert reply.headers["access-control-allow-origin"] == site
        assert "command" in reply.headers["access-control-allow-headers"].split(", ")
        assert "GET" in reply.headers["access-control-allow-methods"]
        assert "access-control-allow-credentials" not in reply.headers
        reply = call.get("get status", Origin=site, Sec_Fetch_Site="cross-site")
        assert reply.status == 200
        assert reply.headers["access-control-allow-origin"] == site
        assert reply.headers["vary"] == "Origin"


def test_an_error_can_be_read_by_such_a_page(shared: tuple[Node, Caller]) -> None:
    _, call = shared
    reply = call.get("get nosuch", Origin=WALL)
    assert reply.status == 400
    assert reply.headers["access-control-allow-origin"] == WALL


@pytest.mark.parametrize(
    "origin", [EVIL, WALL + "0", "http://wall.example", "https://wall.example:3000", "null", ""]
)
def test_others_may_not(shared: tuple[Node, Caller], origin: str) -> None:
    _, call = shared
    for reply in (
        call.get("get status", Origin=origin),
        call("OPTIONS", Origin=origin, **PREFLIGHT),
    ):
        assert reply.status == 403
        assert "access-control-allow-origin" not in reply.headers


def test_a_page_may_ask_what_needs_a_name(shared: tuple[Node, Caller]) -> None:
    node, call = shared
    node.run("set user where name = ops and password = 12345678 and level = read")
    try:
        assert call("OPTIONS", Origin=WALL, **PREFLIGHT).status == 204
        reply = call.get("get status", Origin=WALL)
        assert reply.status == 401
        assert reply.headers["access-control-allow-origin"] == WALL
        said = basic("ops", "12345678")
        assert call.get("get status", Origin=WALL, Authorization=said).status == 200
    finally:
        node.run("delete user where name = ops")


def test_a_private_network_is_opened_to_it_alone(shared: tuple[Node, Caller]) -> None:
    _, call = shared
    ask = {**PREFLIGHT, "Access_Control_Request_Private_Network": "true"}
    name = "access-control-allow-private-network"
    assert call("OPTIONS", Origin=WALL, **ask).headers[name] == "true"
    assert name not in call("OPTIONS", Origin=EVIL, **ask).headers


def test_options_of_no_browser_are_for_nothing(shared: tuple[Node, Caller]) -> None:
    _, call = shared
    assert call("OPTIONS", Origin=WALL).status == 405
    assert call("OPTIONS").status == 405


def test_its_own_page_may_and_a_link_is_followed(closed: Caller) -> None:
    own = f"http://{HOST}:{closed.port}"
    assert closed.get("get status", Origin=own, Sec_Fetch_Site="same-origin").status == 200
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert closed("GET", "/?command=get+status", **link).status == 200
    assert closed("POST", "/", "print x", **link).status == 403
    # What is drawn within another page was chosen by nobody.
    frame = {**link, "Sec_Fetch_Dest": "iframe"}
    assert closed("GET", "/?command=get+status", **frame).status == 403


@pytest.mark.parametrize(
    "site", ["*", "wall.example", "ftp://wall.example", "http://wall.example/", "http://", "null",
             "http://a@wall.example", "http://wall.example:99999", "http://wall.example:x",
             "http://wall_.example?x"],
)  # fmt: skip
def test_what_is_no_site(tmp_path: Path, site: str) -> None:
    with Node(tmp_path / "home") as node, pytest.raises(errors.WrongValue) as caught:
        node.run(
            f'run rest server where external_ip = {HOST} and external_port = 0 and cors = "{site}"'
        )
    assert "https://" in str(caught.value.hint)


@pytest.mark.parametrize("key", ["cors", "host"])
def test_more_sites_than_it_can_be_told(
    tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_REST_SITES", 2)
    value = {"cors": "http://wall.example", "host": "wall.example"}[key]
    two = f"{value}1 and {key} = {value}2"
    with rest_node(tmp_path / "home", tcp=False, **{key: two}):
        pass
    with (
        pytest.raises(errors.WrongValue),
        rest_node(tmp_path / "other", tcp=False, **{key: f"{two} and {key} = {value}"}),
    ):
        pass


# ---------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:32149", "127.0.0.1", "10.9.8.7:99", "[::1]", "[::1]:80", "localhost."],
)
def test_addresses_and_this_machine_are_the_node(closed: Caller, host: str) -> None:
    assert closed.get("get status", Host=host).status == 200


def test_the_name_of_the_machine_is_the_node(closed: Caller) -> None:
    assert closed.get("get status", Host=socket.gethostname()).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example",
             "node.example", "[evil]", "a b", "1", "@localhost"],
)  # fmt: skip
def test_another_name_is_refused(closed: Caller, host: str) -> None:
    reply = closed.get("get status", Host=host)
    assert (reply.status, reply.data["code"]) == (421, 212)
    assert "host =" in reply.data["hint"]


def test_a_name_that_the_server_was_told_is_the_node(shared: tuple[Node, Caller]) -> None:
    _, call = shared
    for host in ("node.example", "NODE.example:32149", "fen-01.example"):
        assert call.get("get status", Host=host).status == 200
    assert call.get("get status", Host="other.example").status == 421


def test_old_programs_name_no_host(closed: Caller) -> None:
    with socket.create_connection((HOST, closed.port), 20) as line:
        line.sendall(b"GET / HTTP/1.0\r\ncommand: get status\r\n\r\n")
        assert b" 200 " in line.recv(4096).split(b"\r\n", 1)[0]


def test_one_of_two_names_is_wrong(closed: Caller) -> None:
    with socket.create_connection((HOST, closed.port), 20) as line:
        line.sendall(
            b"GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n"
            b"command: get status\r\n\r\n"
        )
        assert line.recv(4096).split(b"\r\n", 1)[0].split()[1] in (b"400", b"421")
