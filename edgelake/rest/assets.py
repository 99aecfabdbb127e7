"""The files of the console, served as they lie in the package, and the headers that guard them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edgelake.commands import NodeParts
from edgelake.errors import NotAuthenticated
from edgelake.rest.access import origin_of

__all__ = ["GUARDS", "file_reply", "login_reply", "names"]

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_OWN = "'self'"

GUARDS = {
    "content-security-policy": "; ".join(
        (
            "default-src 'none'",
            *(f"{kind}-src {_OWN}" for kind in ("script", "style", "img", "connect")),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Headers of every answer: no browser takes it for a page that may do more than ours."""


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    kind: str
    tag: str


@cache
def _files() -> dict[str, _File]:
    found: dict[str, _File] = {}
    for entry in files("edgelake.rest").joinpath("pages").iterdir():
        kind = _KINDS.get(f".{entry.name.rpartition('.')[2]}")
        if kind is not None and entry.is_file():
            content = entry.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
            found[entry.name] = _File(content, kind, tag)
    return found


def names() -> frozenset[str]:
    """Return the names of all files."""
    return frozenset(_files())


def file_reply(request: Request, name: str) -> Response:
    """Return a file, or that the browser's copy of it is still right."""
    found = _files()[name]
    # A browser asks each time, so that a page never mixes files of two versions.
    headers = {"etag": found.tag, "cache-control": "no-cache"}
    if name == "index.html":
        headers["vary"] = "accept"
    known = (tag.strip().removeprefix("W/") for tag in _known(request))
    if found.tag in known:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.kind, headers=headers)


def login_reply(request: Request, node: NodeParts) -> Response:
    """Return the way to the page for who says who he is, and else ask the browser for it.

    Raises
    ------
    NotAuthenticated
    """
    if "authorization" not in request.headers:
        raise NotAuthenticated("this node asks who you are", hint="give a name and its password")
    origin_of(request, node)
    return RedirectResponse("/", status_code=303)


def _known(request: Request) -> list[str]:
    return request.headers.get("if-none-match", "").split(",")
