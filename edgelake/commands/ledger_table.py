"""The table ``ledger`` that a master keeps: made, dropped, written to files, filled from one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgelake import limits
from edgelake.commands.context import LEDGER_DATABASE, Context, NodeParts
from edgelake.commands.ledger_ready import ready_ledger
from edgelake.errors import (
    CommandSyntaxError,
    EdgeLakeError,
    LedgerInvalid,
    PolicyInvalid,
    PolicyRowMissing,
)
from edgelake.interfaces import LogPosition, Permission, Result
from edgelake.language import (
    Argument,
    Call,
    CommandSet,
    Item,
    Json,
    OneOf,
    PathType,
    Text,
    Variables,
    Word,
    expand_text,
    shortened,
)
from edgelake.ledger import Policy, complete, parse_ledger, parse_policy, policy_of
from edgelake.ledger.policy import literal
from edgelake.services.synchronizer import Synchronizer
from edgelake.storage import LedgerTable, read_file, replace_file

__all__ = ["commands"]

commands = CommandSet(group="blockchain", topics=("ledger", "databases"))

_COLUMNS = ("policy_type", "policy_id", "company_name", "date", "host", "status", "policy")
_READ = f"SELECT {', '.join(_COLUMNS)} FROM ledger ORDER BY date, sequence_id"


@commands.command(
    "blockchain create table",
    summary="create the table ledger in the database blockchain",
    permission=Permission.ADMIN,
    details="A table that exists is kept.",
    examples=("blockchain create table",),
    related=("create table", "connect dbms"),
)
def _create_table(context: Context, call: Call) -> Result:
    LedgerTable(context.node.databases.get(LEDGER_DATABASE)).create()
    _wake(context.node)
    return Result()


@commands.command(
    "blockchain drop table",
    summary="remove the table ledger, with all policies in it, from this node's database",
    permission=Permission.ADMIN,
    details=(
        "The policies are written to blockchain.dropped first. The ledger file of this node and\n"
        "what other nodes have stay as they are."
    ),
    examples=("blockchain drop table",),
    related=("blockchain create table", "blockchain pull to json"),
)
def _drop_table(context: Context, call: Call) -> Result:
    node = context.node
    lines = [policy.text for policy in _stored(node)]
    replace_file(node.ledger.path.with_suffix(".dropped"), _joined(lines))
    database = node.databases.get(LEDGER_DATABASE)
    with database.transaction():
        database.execute("DROP TABLE ledger")
    return Result()


@commands.command(
    "blockchain drop by host",
    summary="remove the policies that one node brought from this node's table ledger",
    arguments=(Argument("host", Text(), help="IP address of the node"),),
    permission=Permission.ADMIN,
    details="All of them are removed, or none.",
    examples=("blockchain drop by host 10.0.0.8",),
    related=("blockchain drop policy",),
)
def _drop_by_host(context: Context, call: Call) -> Result:
    host = call.arguments["host"]
    master = context.node.master_ledger()
    database = context.node.databases.get(LEDGER_DATABASE)
    found = database.query("SELECT policy_id FROM ledger WHERE host = ?", (host,))
    if not found:
        raise PolicyRowMissing(f"no policy of host '{host}' in the table ledger")
    master.drop([policy_id for (policy_id,) in found])
    return Result({"dropped": len(found)}, "")


@commands.command(
    "blockchain replace policy",
    summary="put another policy in the place of one in this node's table ledger",
    arguments=(
        Argument("id", Text(), help="id of the policy; the new one gets it"),
        Argument("with", OneOf("with"), shown="with"),
        Argument("policy", Json(), help="the new policy, of the same type"),
    ),
    permission=Permission.METADATA,
    details=(
        "The new policy is checked like any other. It is an error if there is none to replace.\n"
        "A node that asks by a session is told when it is stored, the number of the log and the\n"
        "log: replaced 18 5b0c… ecd08d24…; at the master's own console, nothing is said."
    ),
    examples=('blockchain replace policy ecd08d24 with {"device": {"name": "d2"}}',),
    related=("blockchain push", "blockchain drop policy"),
)
def _replace(context: Context, call: Call) -> Result:
    node = context.node
    policy_id = call.arguments["id"]
    given = parse_policy(call.arguments["policy"])
    body = {key: value for key, value in given.body.items() if key != "date"}
    if body.get("id", policy_id) != policy_id:
        raise PolicyInvalid(f"the policy has another id: '{body['id']}'", hint="leave its id out")
    body["id"] = policy_id
    if given.date:
        body["date"] = given.date
    policy = complete(policy_of({given.type: body}), datetime.now(UTC))
    host = node.host_of(context.origin)
    replaced = node.master_ledger().replace_later(policy, host, waits=not context.defers)

    def told(place: LogPosition) -> Result:
        data = {"id": policy.id, "epoch": place.epoch, "sequence": place.seq}
        text = f"replaced {place.seq} {place.epoch} {policy.id}"
        # Existing nodes expect no word, and ask on connections of their own.
        return Result(data, text if context.origin.session else "")

    return context.when(replaced, told)


# -------------------------------------------------------------------- pull


@commands.command(
    "blockchain pull to json",
    summary="write this node's table ledger to a ledger file",
    arguments=(Argument("file", PathType(), required=False, help="default blockchain.new"),),
    permission=Permission.ADMIN,
    examples=("blockchain pull to json", "blockchain pull to json /tmp/ledger.json"),
    related=("blockchain update file", "blockchain pull to sql"),
)
def _pull_json(context: Context, call: Call) -> Result:
    lines = [policy.text for policy in _stored(context.node)]
    return _write(context.node, call, ".new", lines)


@commands.command(
    "blockchain pull to sql",
    summary="write this node's table ledger to a file of SQL statements",
    arguments=(Argument("file", PathType(), required=False, help="default blockchain.sql"),),
    permission=Permission.ADMIN,
    details="A statement each line. Texts are quoted as SQL wants it, whatever is in them.",
    examples=("blockchain pull to sql",),
    related=("blockchain pull to json",),
)
def _pull_sql(context: Context, call: Call) -> Result:
    rows = context.node.databases.get(LEDGER_DATABASE).query(_READ)
    return _write(context.node, call, ".sql", [_statement(row) for row in rows])


@commands.command(
    "blockchain pull to stdout",
    summary="show this node's table ledger",
    permission=Permission.READ,
    details="A policy each line, ordered by date.",
    examples=("blockchain pull to stdout",),
    related=("blockchain pull to json",),
)
def _pull_stdout(context: Context, call: Call) -> Result:
    found = _stored(context.node)
    text = "\n".join(literal(_sorted(policy.content())) for policy in found)
    return Result([policy.content() for policy in found], text)


def _stored(node: NodeParts) -> list[Policy]:
    """Return the policies of the table; rows that hold none are left out."""
    master = node.master_ledger()
    found: list[Policy] = []
    for text in master.rows.read():
        try:
            found.append(parse_policy(text))
        except EdgeLakeError:
            continue
    return found


def _write(node: NodeParts, call: Call, suffix: str, lines: list[str]) -> Result:
    given = call.arguments.get("file")
    path = Path(given) if given else node.ledger.path.with_suffix(suffix)
    if path == node.ledger.path:
        raise PolicyInvalid(
            f"'{path}' is the ledger of this node",
            hint="write it to another file, then: blockchain update file <file>",
        )
    node.home.create_work_directories()
    replace_file(path, _joined(lines))
    return Result({"file": str(path), "policies": len(lines)}, "")


def _joined(lines: list[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def _statement(row: tuple[object, ...]) -> str:
    pairs = [(name, value) for name, value in zip(_COLUMNS, row, strict=True) if value is not None]
    names = ", ".join(name for name, _ in pairs).replace("policy_type, ", "policy_type ,", 1)
    values = ", ".join(_quoted(str(value)) for _, value in pairs).replace("', '", "' ,'", 1)
    return f"insert into ledger ({names}) values ({values})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(entry) for entry in value] if isinstance(value, list) else value


# ------------------------------------------------------------------ update


@dataclass(frozen=True, slots=True)
class _Source:
    """Which file policies are taken from, and whether to be silent about it."""

    file: str | None = None
    silent: bool = False


class _SourceType(PathType):
    """A file, ``ignore message``, or both."""

    metavar = "<file>"
    greedy = True
    by_text = False

    def take(self, items: Sequence[Item], variables: Variables) -> _Source:
        """Return what the words say."""
        words = [item.literal if isinstance(item, Word) else None for item in items]
        silent = words[-2:] == ["ignore", "message"]
        file = items[: len(items) - 2 * silent]
        if len(file) > 1:
            word = expand_text([file[1]], variables)
            error = CommandSyntaxError(
                f"unexpected word '{shortened(word)}'",
                hint="write: blockchain update dbms [<file>] [ignore message]",
            )
            error.offset = file[1].start
            raise error
        return _Source(super().take(file, variables) if file else None, silent)


@commands.command(
    "blockchain update dbms",
    summary="add the policies of a ledger file to this node's table ledger",
    arguments=(
        Argument(
            "file",
            _SourceType(),
            required=False,
            help="default the ledger of this node; ignore message: do not print a summary",
            shown="<file>] [ignore message",
        ),
    ),
    permission=Permission.ADMIN,
    details=(
        "Policies whose id is there are left as they are. What breaks a rule of its type is\n"
        "left out and told in the error log."
    ),
    examples=("blockchain update dbms", "blockchain update dbms /tmp/ledger.json ignore message"),
    related=("blockchain pull to json", "blockchain push"),
)
def _update_dbms(context: Context, call: Call) -> Result:
    node = context.node
    master = node.master_ledger()
    source: _Source = call.arguments["file"] or _Source()
    if source.file:
        found = parse_ledger(read_file(source.file, limits.MAX_LEDGER_BYTES), strict=True)
        policies = list(found.policies)
    else:
        ready_ledger(node)
        policies = node.ledger.read()
    if not policies:
        raise LedgerInvalid("the ledger file has no policies")
    host, added = node.host_of(context.origin), 0
    for outcome in master.push_all(policies, host):
        if isinstance(outcome, EdgeLakeError):
            node.report("blockchain update dbms", outcome)
        else:
            added += outcome
    data = {"added": added, "policies": len(policies)}
    told = "" if source.silent else f"Policies added to local DBMS: {added} from {len(policies)}"
    return Result(data, told)


def _wake(node: NodeParts) -> None:
    """Let a synchronizer that waits for the table try again at once."""
    sync = node.services.find(Synchronizer)
    if sync is not None:
        sync.trigger()
