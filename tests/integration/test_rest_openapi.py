"""``/openapi.json`` describes the application, and the application keeps to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema_rs import meta
from schemathesis import openapi
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi import checks

from edgelake import Node
from edgelake.commands import build_registry
from edgelake.interfaces import Permission
from edgelake.rest.app import make_app
from edgelake.rest.operations import DescribedRoute
from edgelake.services.rest import RestService
from tests.http_calls import HOST, Caller, rest_node, tcp_place

RIGHT_EXAMPLES, WRONG_EXAMPLES = 15, 8
# Destinations that refuse, do not answer, or are not there; and what this version lacks.
EXPECTED_FAULTS = {501, 502, 503, 504}
# Commands and conditions are texts with rules of their own, and an empty value counts as none:
# a schema cannot say which of them are right.
OUTSIDE = [checks.positive_data_acceptance, checks.negative_data_rejection]
INFORMING = sorted(
    example
    for command in build_registry()
    if command.permission <= Permission.READ
    for example in command.examples
    if example.startswith(("get ", "help", "blockchain get"))
)

Served = tuple[Node, Caller]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with rest_node(tmp_path_factory.mktemp("described"), timeout=1) as (node, call):
        node.run("set remote permission = admin")
        node.run("connect dbms blockchain where type = sqlite and memory = true")
        node.run("create table ledger where dbms = blockchain")
        node.run('blockchain push {"device": {"name": "d1"}}')
        place = f'"ip": "{HOST}", "port": 9'
        policy = f'{{"query": {{"name": "q", "company": "c", {place}}}}}'
        node.run(f"blockchain insert where policy = {policy} and local = true")
        yield node, call


@pytest.fixture(scope="module")
def call(served: Served) -> Caller:
    return served[1]


@pytest.fixture(scope="module")
def document(call: Caller) -> dict[str, Any]:
    return call("GET", "/openapi.json").data


@pytest.fixture(scope="module")
def described(document: dict[str, Any]) -> BaseSchema:
    return openapi.from_dict(document)


def conforms(case: schemathesis.Case, call: Caller) -> int:
    """Send a call and check its answer; return its status."""
    answer = case.call(base_url=f"http://{HOST}:{call.port}")
    excluded = list(OUTSIDE)
    if answer.status_code in EXPECTED_FAULTS:
        assert answer.json().keys() >= {"code", "error", "hint"}
        excluded.append(schemathesis.checks.not_a_server_error)
    case.validate_response(answer, excluded_checks=excluded)
    return answer.status_code


def drawing(examples: int) -> settings:
    """Return settings for calls that are drawn from the description."""
    return settings(
        max_examples=examples,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


# --------------------------------------------------------------- the document


def test_every_route_is_described(served: Served, document: dict[str, Any]) -> None:
    node, _ = served
    service = node._parts.services.find(RestService)
    *routes, nowhere = make_app(node._interpreter, node._parts, service).routes
    assert nowhere.path == "/{path:path}"
    assert all(isinstance(route, DescribedRoute) and route.operations for route in routes)
    assert [route.path for route in routes] == list(document["paths"])


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    found = [one for path in document["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in found}) == len(found)
    assert all(one["summary"] and one["responses"] for one in found)


def test_schemas_are_schemas(document: dict[str, Any]) -> None:
    found = [document["components"]["schemas"]["Problem"]]
    for path in document["paths"].values():
        for operation in path.values():
            found += [one["schema"] for one in operation.get("parameters", ())]
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            found += [
                media["schema"] for body in bodies for media in body.get("content", {}).values()
            ]
    assert len(found) > 100
    for schema in found:
        meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_the_document_is_of_the_version_that_it_says(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert set(document["components"]["securitySchemes"]) == {"basic", "bearer"}
    assert document["paths"]["/healthz"]["get"]["security"] == []
    assert {} in document["paths"]["/metrics"]["get"]["security"]


def test_an_operation_that_is_not_declared_is_refused(served: Served) -> None:
    _, call = served
    for path, allowed in (
        ("/", "GET, HEAD, POST, PUT"),
        ("/api/run", "POST"),
        ("/docs", "GET, HEAD"),
    ):
        reply = call("DELETE", path)
        assert (reply.status, reply.headers["allow"]) == (405, allowed)


# ------------------------------------------------------------------ the calls


def test_whatever_is_right_is_answered_as_described(call: Caller, described: BaseSchema) -> None:
    for found in described.get_all_operations():
        strategy = found.ok().as_strategy(generation_mode=GenerationMode.POSITIVE)

        @given(case=strategy)
        @drawing(RIGHT_EXAMPLES)
        def answered(case: schemathesis.Case) -> None:
            conforms(case, call)

        answered()


def test_whatever_is_wrong_is_answered_as_described(call: Caller, described: BaseSchema) -> None:
    tried = 0
    for found in described.get_all_operations():
        operation = found.ok()
        if not (operation.query or operation.body):
            continue
        tried += 1

        @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        @drawing(WRONG_EXAMPLES)
        def answered(case: schemathesis.Case) -> None:
            conforms(case, call)

        answered()
    assert tried > 8


def test_commands_that_inform_are_answered_as_described(
    call: Caller, described: BaseSchema
) -> None:
    ask, run = described["/"]["GET"], described["/api/run"]["POST"]
    assert len(INFORMING) > 30
    seen = set()
    for command in INFORMING:
        seen.add(conforms(ask.Case(headers={"command": command}), call))
        seen.add(conforms(run.Case(body={"command": command}, media_type="application/json"), call))
    assert 200 in seen
    assert not {status for status in seen if status >= 500} - EXPECTED_FAULTS


def test_commands_for_other_nodes_are_answered_as_described(
    served: Served, described: BaseSchema
) -> None:
    node, call = served
    ask = described["/"]["GET"]
    here, nobody = tcp_place(node), f"{HOST}:9"

    seen = set()
    for destination in (here, nobody, f"{here}, {nobody}", "network", "nowhere", "."):
        for command in ("get status", "get nosuch"):
            for subset in ("true", "false"):
                headers = {"command": command, "destination": destination, "subset": subset}
                seen.add(conforms(ask.Case(headers={**headers, "timeout": "0.2"}), call))
    assert {200, 400} < seen
    assert seen & EXPECTED_FAULTS


def test_a_fault_of_the_node_would_be_seen(
    served: Served, described: BaseSchema, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, call = served
    monkeypatch.setattr(type(node._parts.ledger), "count", property(lambda ledger: "many"))
    with pytest.raises(FailureGroup) as told:
        conforms(described["/api/overview"]["GET"].Case(), call)
    assert '"many" is not of type "integer"' in str(told.value.exceptions[0])
