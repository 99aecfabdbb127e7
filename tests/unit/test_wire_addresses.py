"""Addresses of nodes."""

from __future__ import annotations

import pytest

from edgelake.errors import BadDestination, PeerError
from edgelake.wire import Endpoint, is_private, numeric_ip, parse_endpoint, route_to
from edgelake.wire.addresses import Resolver


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("10.0.0.7:32048", "10.0.0.7", 32048), (" node-1:1 ", "node-1", 1), ("h:65535", "h", 65535)],
)
def test_endpoints(text, host, port):
    assert parse_endpoint(text) == Endpoint(host, port)


@pytest.mark.parametrize(
    "text", ["", "10.0.0.7", ":1", "h:", "h:0", "h:65536", "h:-1", "h:x", "a b:1", "h:1234567890"]
)
def test_what_is_no_endpoint(text):
    with pytest.raises(BadDestination):
        parse_endpoint(text)


@pytest.mark.parametrize(
    ("ip", "private"),
    [
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("127.0.0.1", True),
        ("192.168.0.1", True),
        ("172.15.255.255", False),
        ("172.16.0.0", True),
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("100.63.255.255", False),
        ("100.64.0.0", True),
        ("100.127.255.255", True),
        ("100.128.0.0", False),
        ("8.8.8.8", False),
    ],
)
def test_local_networks(ip, private):
    assert is_private(ip) is private


def test_numeric_addresses():
    assert numeric_ip("127.0.0.1") == "127.0.0.1"
    assert numeric_ip("localhost") is None
    assert numeric_ip("1.2.3") is None
    assert route_to("127.0.0.1", 9) == "127.0.0.1"


def test_names_are_looked_up_elsewhere():
    resolver = Resolver()
    found: list[str] = []
    resolver.resolve("localhost", found.append).result(10)
    resolver.resolve("127.0.0.9", found.append).result(10)
    resolver.resolve("localhost", found.append).result(10)
    assert found == ["127.0.0.1", "127.0.0.9", "127.0.0.1"]
    with pytest.raises(PeerError, match="does not resolve"):
        resolver.resolve("no-such-host.invalid", found.append).result(30)
    resolver.close()
    resolver.close()
