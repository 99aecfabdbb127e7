"""``/openapi.json``: the application described by OpenAPI 3.1, from its routes; and ``/docs``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from edgelake import __version__
from edgelake.rest.assets import file_reply
from edgelake.rest.operations import (
    Answer,
    Answering,
    DescribedRoute,
    Operation,
    Parameter,
    route,
)
from edgelake.rest.schemas import JSON, PROBLEM, PROBLEM_SCHEMA, TEXT, Schema

__all__ = ["document", "openapi_routes"]

_INFO = {
    "title": "edgelake",
    "version": __version__,
    "summary": "A node of the EdgeLake edge-data network",
    "description": (
        "Commands, the console in the browser, and what monitors ask. Commands are described by"
        " the command `help`, and in docs/commands.md."
    ),
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
_SECURITY = {
    "basic": {"type": "http", "scheme": "basic", "description": "name and password of a user"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "token of a user"},
}
# Which of them is asked for depends on whether the node has users.
_ANYBODY: list[dict[str, list[str]]] = [{}, {"basic": []}, {"bearer": []}]

_DOCUMENT = Operation(
    "GET",
    "openapi",
    "This document",
    "Description",
    {200: Answer("The document.", {JSON: {"type": "object", "required": ["openapi", "paths"]}})},
    faults=(421, 429),
    everybody=True,
)
_PAGE = Operation(
    "GET",
    "docs",
    "This document as a page",
    "Description",
    {
        200: Answer("The page.", {"text/html": TEXT}),
        304: Answer("The browser's copy is still right."),
    },
    faults=(421, 429),
    everybody=True,
)


def openapi_routes(answering: Answering, others: Iterable[BaseRoute]) -> list[DescribedRoute]:
    """Return the routes of the document and its page.

    Parameters
    ----------
    others : iterable of BaseRoute
        All other routes of the application.
    """
    routes = list(others)

    @cache
    def text() -> bytes:
        return json.dumps(document((*routes, *own)), ensure_ascii=False).encode()

    async def described(request: Request) -> Response:
        return Response(text(), media_type=JSON)

    async def page(request: Request) -> Response:
        return file_reply(request, "docs.html")

    own = [
        route("/openapi.json", described, answering, _DOCUMENT),
        route("/docs", page, answering, _PAGE),
    ]
    return own


def document(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """Return the description of what these routes lead to; JSON data."""
    paths: dict[str, dict[str, Any]] = {}
    groups: dict[str, None] = {}
    for one in routes:
        if isinstance(one, DescribedRoute):
            for operation in one.operations:
                groups[operation.group] = None
                paths.setdefault(one.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "tags": [{"name": name} for name in groups],
        "paths": paths,
        "components": {"schemas": {"Problem": PROBLEM_SCHEMA}, "securitySchemes": _SECURITY},
    }


# ------------------------------------------------------------------- parts


def _operation(operation: Operation) -> dict[str, Any]:
    answers = dict(operation.answers)
    for status in operation.faults:
        answers.setdefault(status, Answer(f"{HTTPStatus(status).phrase}.", {JSON: PROBLEM}))
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.details or None,
        "tags": [operation.group],
        "parameters": [_parameter(one) for one in operation.parameters] or None,
        "requestBody": _body(operation) if operation.body else None,
        "responses": {str(status): _answer(answers[status]) for status in sorted(answers)},
        "security": [] if operation.everybody else _ANYBODY,
    }
    return {key: value for key, value in found.items() if value is not None}


def _body(operation: Operation) -> dict[str, Any]:
    return {"required": operation.body_required, "content": _content(operation.body)}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.help,
        "required": parameter.required,
        "schema": parameter.schema,
    }
    if parameter.example is not None:
        found["example"] = parameter.example
    return found


def _answer(answer: Answer) -> dict[str, Any]:
    if not answer.content:
        return {"description": answer.help}
    return {"description": answer.help, "content": _content(answer.content)}


def _content(schemas: Any) -> dict[str, dict[str, Schema]]:
    return {media: {"schema": schema} for media, schema in schemas.items()}
