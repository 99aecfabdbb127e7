"""Declarations of what can be called by HTTP, beside the routes that lead there.

A route is made with its operations (`route`); ``/openapi.json`` is made of them, and a
method that none of them has is refused.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgelake.errors import WrongMethod

__all__ = [
    "Answer",
    "Answering",
    "AnyRoute",
    "DescribedRoute",
    "Handler",
    "Operation",
    "Parameter",
    "allowed_by",
    "route",
]

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
Schema: TypeAlias = dict[str, Any]


class Answering(Protocol):
    """Makes answers of the errors of a handler, and counts its calls."""

    def __call__(self, handle: Handler, /, *, everybody: bool = False) -> Handler:
        """Return what a route calls; if it is for everybody, nobody is asked who he is."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value in the query string, a header field, or the path.

    Attributes
    ----------
    name : str
    help : str
    schema : dict
        JSON Schema of the value.
    place : str
        ``query``, ``header`` or ``path``.
    required : bool
    example : Any
        ``None`` for none.
    """

    name: str
    help: str
    schema: Schema
    place: str = "query"
    required: bool = False
    example: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one status means.

    Attributes
    ----------
    help : str
    content : mapping of str to dict
        JSON Schema of the body, by its media type; nothing for an empty body.
    """

    help: str
    content: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a path.

    Attributes
    ----------
    method : str
        HEAD goes with GET and is not declared.
    name : str
        Unique among all; programs made from the document call it so.
    summary, details : str
    group : str
        Heading under which people find it.
    answers : mapping of int to Answer
        By status.
    faults : tuple of int
        Further statuses, whose body is the object that tells of an error.
    parameters : tuple of Parameter
    body : mapping of str to dict
        JSON Schema of what is sent, by its media type.
    body_required : bool
    everybody : bool
        Nobody is asked who he is.
    """

    method: str
    name: str
    summary: str
    group: str
    answers: Mapping[int, Answer]
    faults: tuple[int, ...] = ()
    details: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)
    body_required: bool = True
    everybody: bool = False


class DescribedRoute(Route):
    """A route with what can be called by it.

    Attributes
    ----------
    operations : tuple of Operation
    """

    def __init__(self, path: str, endpoint: Handler, operations: tuple[Operation, ...]) -> None:
        super().__init__(path, endpoint)
        # Every method reaches the handler, so that a refusal is an answer like any other.
        self.methods = set()
        self.operations = operations
        endpoint.allow = ", ".join(_methods(operations))  # type: ignore[attr-defined]


class AnyRoute(Route):
    """The route of all paths, ``*`` and line feeds in them included, by every method."""

    def __init__(self, endpoint: Handler) -> None:
        super().__init__("/{path:path}", endpoint)
        self.methods = set()
        self.path_regex = re.compile("(?P<path>.*)", re.DOTALL)


def route(
    path: str, handle: Handler, answering: Answering, *operations: Operation
) -> DescribedRoute:
    """Return the route of a path; other methods than those declared are refused.

    Parameters
    ----------
    answering : Answering
        See `edgelake.rest.app`.
    """
    allowed = _methods(operations)
    hint = f"use {' or '.join(allowed)}"

    async def guarded(request: Request) -> Response:
        if request.method not in allowed:
            raise WrongMethod(f"{request.method} is for nothing here", hint=hint)
        return await handle(request)

    everybody = all(operation.everybody for operation in operations)
    return DescribedRoute(path, answering(guarded, everybody=everybody), operations)


def _methods(operations: tuple[Operation, ...]) -> list[str]:
    found = {operation.method for operation in operations}
    return sorted(found | {"HEAD"} if "GET" in found else found)


def allowed_by(request: Request) -> str:
    """Return the methods of the path that was called, for the header ``Allow``."""
    return getattr(request.scope.get("endpoint"), "allow", "GET, HEAD")
