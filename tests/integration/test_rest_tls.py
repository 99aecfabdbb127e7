"""HTTPS: certificates of the server and of its callers, and callers who never agree on keys."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from edgelake import Node, errors, limits
from tests.http_calls import HOST, PATIENCE_S, Caller, bearer, rest_port
from tests.waiting import eventually

TLS = "ssl = true and ca_org = kestrel and server_org = fen01"
SUBJECTS = {"ops": "/O=kestrel/CN=ops", "both": "/O=kestrel/CN=ops/CN=other"}


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an authority, a server, a caller, and a caller whom another authority knows."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ca-kestrel", "ca-other"):
        openssl(
            folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", f"/O={name}", "-keyout", f"{name}.key",
            "-out", f"{name}-public-key.crt",
        )  # fmt: skip
    for name, authority in (
        ("server-fen01", "ca-kestrel"),
        ("caller", "ca-kestrel"),
        ("ops", "ca-kestrel"),
        ("both", "ca-kestrel"),
        ("stranger", "ca-other"),
    ):
        key = f"{name}-private-key.key"
        openssl(
            folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", SUBJECTS.get(name, f"/O={name}"), "-keyout", key, "-out", f"{name}.csr",
        )  # fmt: skip
        (folder / "names").write_text(f"subjectAltName=IP:{HOST}")
        openssl(
            folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}-public-key.crt",
            "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", f"{name}-public-key.crt",
        )  # fmt: skip
    return folder


@pytest.fixture
def node(tmp_path: Path, keys: Path) -> Iterator[Node]:
    with Node(tmp_path / "home") as made:
        made.run(f"pem_dir = {keys}")
        yield made


def start(node: Node) -> int:
    node.run(f"run rest server where external_ip = {HOST} and external_port = 0 and {TLS}")
    return rest_port(node)


def context(keys: Path, caller: str | None) -> ssl.SSLContext:
    found = ssl.create_default_context(cafile=str(keys / "ca-kestrel-public-key.crt"))
    if caller is not None:
        found.load_cert_chain(keys / f"{caller}-public-key.crt", keys / f"{caller}-private-key.key")
    return found


def test_a_caller_with_a_certificate_is_served(node: Node, keys: Path) -> None:
    call = Caller(start(node), context(keys, "caller"))
    assert call.get("get status").status == 200
    info = node.run("get rest server info where format = json").data
    assert info["ssl"] is True
    assert info["url"].startswith("https://")
    assert "SSL: True" in node.run("get processes").text


@pytest.mark.parametrize("caller", [None, "stranger"])
def test_a_caller_without_one_is_not(node: Node, keys: Path, caller: str | None) -> None:
    call = Caller(start(node), context(keys, caller))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        call.get("get status")
    assert Caller(call.port, context(keys, "caller")).get("get status").status == 200


def test_plain_http_is_no_tls(node: Node, keys: Path) -> None:
    port = start(node)
    with pytest.raises((OSError, HTTPException)):
        Caller(port).get("get status")
    assert Caller(port, context(keys, "caller")).get("get status").status == 200


@pytest.mark.parametrize(
    "missing",
    ["ca-kestrel-public-key.crt", "server-fen01-public-key.crt", "server-fen01-private-key.key"],
)
def test_a_file_that_is_missing_or_wrong_is_named(
    node: Node, keys: Path, tmp_path: Path, missing: str
) -> None:
    folder = tmp_path / "pem"
    folder.mkdir()
    for found in keys.iterdir():
        (folder / found.name).write_bytes(found.read_bytes())
    node.run(f"pem_dir = {folder}")
    (folder / missing).write_text("no key\n")
    with pytest.raises(errors.ConfigurationError, match="not usable"):
        start(node)
    (folder / missing).unlink()
    with pytest.raises(errors.ConfigurationError, match=missing):
        start(node)
    assert "not running" in node.run("get rest server info").text


def test_nobody_is_asked_for_the_pass_phrase_of_a_key(
    node: Node, keys: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pem"
    folder.mkdir()
    for found in keys.iterdir():
        (folder / found.name).write_bytes(found.read_bytes())
    key = "server-fen01-private-key.key"
    openssl(folder, "pkey", "-in", key, "-aes256", "-passout", "pass:kestrel", "-out", "closed")
    (folder / "closed").rename(folder / key)
    node.run(f"pem_dir = {folder}")
    with pytest.raises(errors.ConfigurationError, match="is encrypted"):
        start(node)


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden"])
def test_an_organisation_is_no_path(node: Node, name: str) -> None:
    with pytest.raises(errors.ConfigurationError):
        node.run(
            f"run rest server where external_ip = {HOST} and external_port = 0"
            f" and ssl = true and ca_org = kestrel and server_org = {name}"
        )


def test_a_certificate_says_which_user_calls(node: Node, keys: Path) -> None:
    port = start(node)
    named, unnamed, both = (Caller(port, context(keys, who)) for who in ("ops", "caller", "both"))
    assert named.get("get status").status == 200
    node.run("set user where name = chief and level = admin")
    token = bearer(node, "chief")
    # The authority knows them all, and this node none of them yet.
    assert {caller.get("get status").status for caller in (named, unnamed, both)} == {401}
    node.run("set user where name = ops and level = read")
    assert named.get("get status").status == 200
    assert named.post("set rest timeout 5").status == 403
    assert {caller.get("get status").status for caller in (unnamed, both)} == {401}
    assert "ops" in node.run("get rest calls").text
    # What a caller says counts more than what he carries.
    assert named.post("set rest timeout 5", Authorization=token).status == 200
    assert named.get("get status", Authorization="Bearer wrong").status == 401
    node.run("delete user where name = ops")
    assert named.get("get status").status == 401


# -------------------------------------------------------------- slow callers

# A record of TLS that says it has 512 bytes, and the beginning of a ClientHello in it.
HELLO = bytes.fromhex("1603010200010001fc0303")


def info(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = node.run("get rest server info where format = json").data
    return found


def test_who_never_agrees_on_keys_is_closed(
    node: Node, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time that a plain caller has, and not the minute of asyncio."""
    monkeypatch.setattr(limits, "REST_REQUEST_S", 2.0)
    port = start(node)
    call = Caller(port, context(keys, "caller"))
    with ExitStack() as stack:
        lines = [
            stack.enter_context(socket.create_connection((HOST, port), PATIENCE_S))
            for _ in range(100)
        ]
        for number, line in enumerate(lines):
            line.sendall((b"", HELLO[:1], HELLO)[number % 3])
        # They hold up nobody, and each is closed by the server.
        assert call.get("get status").status == 200
        assert {line.recv(1) for line in lines} == {b""}
    assert info(node)["no_handshake"] == 100
    eventually(lambda: info(node)["connections"] == 0, "all are gone")
    assert call.get("get status").status == 200


def test_who_sends_on_and_on_is_closed(
    node: Node, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte by byte: the time is that of the whole handshake, not since the last byte."""
    monkeypatch.setattr(limits, "REST_REQUEST_S", 0.5)
    with socket.create_connection((HOST, start(node)), PATIENCE_S) as line:
        line.settimeout(0.05)
        for byte in HELLO + bytes(1000):
            try:
                line.sendall(bytes([byte]))
                assert line.recv(1) == b""
                break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("it may send for ever")
    assert info(node)["no_handshake"] == 1


def test_a_request_that_is_never_whole(
    node: Node, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are agreed on, and then nothing comes, nor any word that TLS ends."""
    monkeypatch.setattr(limits, "REST_REQUEST_S", 0.5)
    monkeypatch.setattr(limits, "REST_FINISH_S", 0)
    port = start(node)
    with ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection((HOST, port), PATIENCE_S))
        named = {"server_hostname": HOST, "suppress_ragged_eofs": True}
        line = stack.enter_context(context(keys, "caller").wrap_socket(plain, **named))
        line.sendall(b"GET / HTTP/1.1\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 408 ")
        eventually(lambda: info(node)["connections"] == 0, "it is gone, whatever the caller does")
    assert info(node)["slow_request"] == 1


def test_more_handshakes_than_there_may_be(
    node: Node, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_REST_HANDSHAKES", 6)
    monkeypatch.setattr(limits, "MAX_REST_HANDSHAKES_OF_ADDRESS", 4)
    port = start(node)
    with ExitStack() as stack:
        made = [
            stack.enter_context(
                socket.create_connection((HOST, port), PATIENCE_S, source_address=(source, 0))
            )
            for source in (HOST,) * 4 + ("127.0.0.2",) * 2
        ]
        eventually(lambda: info(node)["connections"] == len(made), "as many as there may be")
        for source in (HOST, "127.0.0.2", "127.0.0.3"):
            with socket.create_connection((HOST, port), PATIENCE_S, (source, 0)) as one_more:
                assert one_more.recv(1) == b""
        assert info(node)["no_room"] == 3
        made.pop().close()
        eventually(lambda: info(node)["connections"] == len(made), "one has gone")
        made.append(socket.create_connection((HOST, port), PATIENCE_S, ("127.0.0.3", 0)))
        stack.enter_context(made[-1])
        eventually(lambda: info(node)["connections"] == len(made), "there is room for another")
    eventually(lambda: info(node)["connections"] == 0, "all are gone")
    assert Caller(port, context(keys, "caller")).get("get status").status == 200


def test_the_node_ends_while_callers_have_not_agreed(tmp_path: Path, keys: Path) -> None:
    with ExitStack() as stack:
        with Node(tmp_path / "home") as node:
            node.run(f"pem_dir = {keys}")
            port = start(node)
            for sent in (b"", HELLO):
                line = stack.enter_context(socket.create_connection((HOST, port), PATIENCE_S))
                line.sendall(sent)
            eventually(lambda: info(node)["connections"] == 2, "both are there")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, port), PATIENCE_S)
