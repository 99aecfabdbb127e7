"""Who calls, and whether his browser was sent here by somebody else's page."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from edgelake.commands import NodeParts, Origin
from edgelake.errors import NotPermitted

__all__ = ["check_site", "origin_of"]


def origin_of(request: Request, node: NodeParts) -> Origin:
    """Return the caller of a request, with the level of commands that he may use.

    Raises
    ------
    NotAuthenticated
    """
    client = request.client
    return Origin(None, client.host if client else "?", 0, node.permission)


def check_site(request: Request) -> None:
    """Refuse what the page of another site makes a browser send.

    Raises
    ------
    NotPermitted
    """
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    foreign = site in ("cross-site", "same-site")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        foreign = True
    # A link to this node is followed; a form that somebody else filled in is not taken.
    followed = request.headers.get("sec-fetch-mode") == "navigate" and request.method in (
        "GET",
        "HEAD",
    )
    if foreign and not followed:
        raise NotPermitted(
            "a page of another site may not call this node",
            hint="call it from its own console, or from a program",
        )
