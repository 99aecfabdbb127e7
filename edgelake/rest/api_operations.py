"""What the console in the browser calls, by the path below ``/api/``."""

from __future__ import annotations

from edgelake import limits
from edgelake.rest.command_operations import FAULTS
from edgelake.rest.operations import Answer, Operation, Parameter
from edgelake.rest.schemas import (
    BOOLEAN,
    COUNT,
    INTEGER,
    JSON,
    NUMBER,
    TEXT,
    Schema,
    choice,
    listed,
    mapped,
    nullable,
    record,
)

__all__ = ["API", "LOGIN", "PAGE_FILE"]

_CONSOLE = "Console in the browser"
_FAULTS = (400, 401, 403, 421, 429, 503)
_MOST = 2**53

_POSITION: Schema = {"type": "integer", "minimum": 0, "maximum": _MOST}
_PAGE = (
    Parameter("offset", "how many are left out before the first", _POSITION),
    Parameter(
        "limit",
        "how many at most; 50 where nothing is said",
        {"type": "integer", "minimum": 1, "maximum": limits.MAX_CONSOLE_PAGE},
    ),
)
_MAYBE = nullable(TEXT)
_PROBLEM = record(code=INTEGER, error=TEXT, hint=_MAYBE)
_ROW = record(type=TEXT, id=TEXT, name=TEXT, date=TEXT, ledger=_MAYBE)
_CHANGE = record(
    "ledger", seq=nullable(COUNT), op=TEXT, id=TEXT, type=TEXT, name=TEXT, date=TEXT, ledger=_MAYBE
)
_SAMPLE_LATENCY = nullable(NUMBER)

_TABLE = record(
    columns=listed(TEXT), rows=listed(listed(TEXT)), numbers=listed(BOOLEAN), more=COUNT
)
_ANSWER = record(
    "node",
    "table",
    "problem",
    node=TEXT,
    text=TEXT,
    json=BOOLEAN,
    data={},
    table=nullable(_TABLE),
    problem=_PROBLEM,
    cut=BOOLEAN,
)


def _asks(
    name: str,
    summary: str,
    schema: Schema,
    *parameters: Parameter,
    faults: tuple[int, ...] = (),
) -> Operation:
    return Operation(
        "GET",
        name,
        summary,
        _CONSOLE,
        {200: Answer("As said above.", {JSON: schema})},
        faults=tuple(sorted({*_FAULTS, *faults})),
        parameters=parameters,
    )


API: dict[str, Operation] = {
    "overview": _asks(
        "overview",
        "Identity, addresses, services, connections, and the ledger in numbers",
        record(
            node=record(
                name=TEXT, address=TEXT, version=TEXT, home=TEXT, uptime_s=NUMBER, time_s=NUMBER
            ),
            caller={"type": "object", "required": ["ip", "level", "sign_in"]},
            addresses=listed(record(kind=TEXT, external=TEXT, internal=TEXT, bind=TEXT)),
            services=listed(
                record(
                    name=TEXT,
                    title=TEXT,
                    state=TEXT,
                    details=TEXT,
                    rates=mapped(NUMBER),
                    facts={"type": "object"},
                )
            ),
            connections=mapped(mapped(COUNT)),
            ledger=record(policies=COUNT, hash=TEXT, pending=COUNT, damaged=COUNT),
        ),
    ),
    "series": _asks(
        "series",
        "Samples of rates and latencies for the charts",
        record(last=COUNT, samples=listed({"type": "object", "required": ["number"]})),
        Parameter("after", "only samples with a larger number", _POSITION),
    ),
    "logs": _asks(
        "logs",
        "Lines of the event log or the error log, the oldest first",
        record(kind=choice("event", "error"), lines=listed({"type": "object"})),
        Parameter(
            "kind", "which log; the event log where nothing is said", choice("event", "error")
        ),
        Parameter("after", "only lines with a larger number", _POSITION),
    ),
    "ledger": _asks(
        "ledger_types",
        "Types of policies, and how many there are of each",
        record(types=listed(record(type=TEXT, count=COUNT)), total=COUNT),
    ),
    "ledger/policies": _asks(
        "ledger_policies",
        "A page of the policies that fulfil a condition",
        record(total=COUNT, offset=COUNT, policies=listed(_ROW)),
        Parameter("type", "of the policies; all where nothing is said", TEXT, example="operator"),
        Parameter("where", "a condition of `blockchain get`", TEXT, example="name = d1"),
        *_PAGE,
        faults=(404, 422),
    ),
    "ledger/policy": _asks(
        "ledger_policy",
        "One policy, and what the log of this node says of it",
        record(id=TEXT, policy=_MAYBE, row=nullable(_ROW), changes=listed(_CHANGE)),
        Parameter("id", "of the policy", TEXT, required=True),
        faults=(404,),
    ),
    "ledger/history": _asks(
        "ledger_history",
        "Changes of the ledger, the newest first",
        record(
            source=choice("log", "policies"),
            epoch=_MAYBE,
            sequence=nullable(COUNT),
            changes=listed(_CHANGE),
            next=nullable(COUNT),
        ),
        Parameter("before", "only changes with a smaller number", _POSITION),
        *_PAGE,
    ),
    "peers": _asks(
        "peers",
        "A page of the nodes that the ledger names",
        record(
            total=COUNT,
            offset=COUNT,
            peers=listed(
                record(type=TEXT, id=TEXT, name=TEXT, company=TEXT, address=_MAYBE, self=BOOLEAN)
            ),
        ),
        *_PAGE,
    ),
    "peers/ping": _asks(
        "ping",
        "Whether a node that the ledger names answers, and how fast",
        record(node=TEXT, reachable=BOOLEAN, ms=NUMBER, reply=_MAYBE, problem=nullable(_PROBLEM)),
        Parameter("node", "`ip:port`", TEXT, required=True, example="10.0.0.8:32048"),
        faults=(404,),
    ),
    "complete": Operation(
        "POST",
        "complete",
        "What may stand at the cursor of a command, a hint, and what each part of it is",
        _CONSOLE,
        {
            200: Answer(
                "As said above.",
                {
                    JSON: record(
                        candidates=listed(record(text=TEXT, back=INTEGER, meta=TEXT, open=BOOLEAN)),
                        hint=_MAYBE,
                        parts=listed(listed({})),
                    )
                },
            )
        },
        faults=(*_FAULTS, 408, 413),
        body={JSON: record("cursor", text=TEXT, cursor=_POSITION)},
    ),
    "run": Operation(
        "POST",
        "run_typed",
        "Run a command, and answer as the command line in the browser shows it",
        _CONSOLE,
        {
            200: Answer(
                "The answers of this node, or one of each node.",
                {JSON: record(shown=TEXT, ms=NUMBER, answers=listed(_ANSWER))},
            )
        },
        faults=FAULTS,
        details="A failure also has `column`, `line`, `diagnosis` and `shown`.",
        body={JSON: record("destination", command=TEXT, destination=TEXT)},
    ),
}

PAGE_FILE = Operation(
    "GET",
    "page_file",
    "A file of the pages in the browser",
    _CONSOLE,
    {
        200: Answer(
            "The file.",
            {kind: TEXT for kind in ("text/html", "text/css", "text/javascript", "image/svg+xml")},
        ),
        304: Answer("The browser's copy is still right."),
    },
    faults=(404, 421, 429),
    parameters=(Parameter("name", "of the file", TEXT, "path", True, "app.js"),),
    everybody=True,
)

LOGIN = Operation(
    "GET",
    "login",
    "Have a browser ask who its user is",
    _CONSOLE,
    {303: Answer("He is known: on to the console.")},
    faults=(401, 421, 429),
)
