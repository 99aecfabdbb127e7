"""Types of places in a network: IP addresses, names of hosts, and where nodes listen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from edgelake.errors import WrongValue
from edgelake.language.diagnostics import shortened
from edgelake.language.values import Port, ValueType

__all__ = ["Address", "AddressType", "Host", "IpAddress"]

_HOST_CHARS = 253
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMBERS = re.compile(r"[0-9.]+")


class IpAddress(ValueType):
    """An IP address, version 4 or 6."""

    metavar = "<ip>"

    def parse(self, text: str) -> IPv4Address | IPv6Address:
        """Return the address."""
        try:
            return ip_address(text)
        except ValueError as exc:
            raise WrongValue(
                f"'{shortened(text)}' is not an IP address", hint=f"write {self.describe()}"
            ) from exc

    def describe(self) -> str:
        """Return what is accepted."""
        return "an IP address, for example 10.0.0.7 or 2001:db8::7"


class Host(ValueType):
    """The name of a host, or its IP address. What looks like an address must be one."""

    metavar = "<host>"

    def parse(self, text: str) -> str:
        """Return the host as written."""
        if ":" in text or _NUMBERS.fullmatch(text):
            IpAddress().parse(text)
        elif len(text) > _HOST_CHARS or not _HOST_NAME.fullmatch(text):
            raise WrongValue(
                f"'{shortened(text)}' is not the name of a host", hint=f"write {self.describe()}"
            )
        return text

    def describe(self) -> str:
        """Return what is accepted."""
        return "a host name or IP address, for example gateway-7.local or 10.0.0.7"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens: host name or IP, and port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return ``host:port``."""
        return f"{self.host}:{self.port}"


class AddressType(ValueType):
    """``host:port``; an IPv6 address stands in brackets."""

    metavar = "<ip:port>"

    def parse(self, text: str) -> Address:
        """Return host and port."""
        host, colon, port = text.rpartition(":")
        hint = f"write {self.describe()}"
        inner = host[1:-1] if host[:1] == "[" and host[-1:] == "]" else host
        if not colon or (":" in inner) != (inner is not host):
            raise WrongValue(f"'{shortened(text)}' is not ip:port", hint=hint)
        try:
            Host().parse(inner)
        except WrongValue as exc:
            raise WrongValue(f"'{shortened(text)}' is not ip:port: {exc}", hint=hint) from exc
        try:
            return Address(host, Port().parse(port))
        except WrongValue as exc:
            raise WrongValue(
                f"port '{shortened(port)}' of '{shortened(text)}' is not in 1..65535", hint=hint
            ) from exc

    def describe(self) -> str:
        """Return what is accepted."""
        return "ip:port, for example 10.0.0.7:32048"
