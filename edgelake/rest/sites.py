"""Which pages may make a browser call this node, and by which names it may be called."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from edgelake.errors import NotPermitted, WrongHost
from edgelake.services.rest import RestOptions

__all__ = ["Sites"]

_METHODS = "GET, HEAD, POST, PUT"
_FIELDS = (
    "accept, anylog-agent, authorization, command, content-type, dbms, destination,"
    " instructions, mode, source, subset, table, timeout, topic, type"
)
_REMEMBER_S = 600


class Sites:
    """Judges where a call comes from, as far as a browser says it.

    A page of another site can make a browser call this node, which may stand in a network
    that only the browser reaches. So calls of such pages are refused, unless the server was
    told of their site; and so is a call by a name that is not this node's, for a page can have
    its own name lead here ("DNS rebinding").

    Parameters
    ----------
    options : RestOptions
    """

    def __init__(self, options: RestOptions) -> None:
        self._allowed = frozenset(options.sites)
        names = (options.external.host, options.internal.host, *options.hosts, *_own_names())
        self._hosts = frozenset(name.lower().rstrip(".") for name in names)

    def check(self, request: Request) -> None:
        """Refuse a call that comes by a wrong name, or from the page of a strange site.

        Raises
        ------
        WrongHost, NotPermitted
        """
        for host in request.headers.getlist("host"):
            if not self._is_own(host):
                raise WrongHost(
                    f"this node is not known as '{host[:80]}'",
                    hint="call it by its address, or start its server with: host = <that name>",
                )
        if self._foreign(request) and not _followed(request):
            raise NotPermitted(
                "a page of another site may not call this node",
                hint="call it from its own console or from a program, or start its server"
                " with: cors = <site>",
            )

    def preflight(self, request: Request) -> Response | None:
        """Return the answer to a browser that asks whether a page may call; else ``None``."""
        if request.method != "OPTIONS" or not self._invited(request):
            return None
        if "access-control-request-method" not in request.headers:
            return None
        response = Response(status_code=204)
        headers = response.headers
        headers["access-control-allow-methods"] = _METHODS
        headers["access-control-allow-headers"] = _FIELDS
        headers["access-control-max-age"] = str(_REMEMBER_S)
        if request.headers.get("access-control-request-private-network") == "true":
            headers["access-control-allow-private-network"] = "true"
        return response

    def mark(self, request: Request, headers: MutableHeaders) -> None:
        """Let the page that called read the answer, if its site may."""
        if not self._allowed:
            return
        headers.append("vary", "Origin")
        if self._invited(request):
            headers["access-control-allow-origin"] = request.headers["origin"]
            headers["access-control-expose-headers"] = "retry-after, www-authenticate"

    # ------------------------------------------------------------------- parts

    def _invited(self, request: Request) -> bool:
        return request.headers.get("origin") in self._allowed

    def _foreign(self, request: Request) -> bool:
        origin = request.headers.get("origin")
        if origin is None:
            return request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
        if origin in self._allowed:
            return False
        return (
            request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
            or _place(origin) != request.headers.get("host", "").lower()
        )

    def _is_own(self, host: str) -> bool:
        name = host.strip().lower()
        if name.startswith("["):
            name = name[1:].partition("]")[0]
        elif name.count(":") == 1:
            name = name.partition(":")[0]
        name = name.rstrip(".")
        if name in self._hosts:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        # An address is no name that somebody could lead elsewhere.
        return True


def _followed(request: Request) -> bool:
    """Return whether somebody follows a link; a filled in form and a frame are not that."""
    said = request.headers
    navigates = said.get("sec-fetch-mode") == "navigate"
    in_window = said.get("sec-fetch-dest", "document") == "document"
    return navigates and in_window and request.method in ("GET", "HEAD")


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _own_names() -> Sequence[str]:
    name = socket.gethostname()
    short = name.partition(".")[0]
    return ("localhost", name, short, f"{short}.local")
