"""The ledger of this node: added to, read, checked, taken from files and from other nodes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from edgelake import limits
from edgelake.commands.asking import ask
from edgelake.commands.context import Context, NodeParts
from edgelake.commands.ledger_ready import ready_ledger
from edgelake.commands.policies import checked_all
from edgelake.commands.rendering import FORMAT, answer
from edgelake.commands.replies import as_peer_error, remote_error
from edgelake.commands.sync import refuse_itself
from edgelake.errors import (
    BadArgument,
    LedgerInvalid,
    MissingOption,
    NoReply,
    PolicyMissing,
    SynchronizerNotRunning,
)
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    AddressType,
    Argument,
    Call,
    CommandSet,
    Json,
    Option,
    PathType,
    Text,
    VariableName,
    Where,
    expand_json,
)
from edgelake.ledger import complete, parse_policy, policy_of
from edgelake.services.master_source import MasterSource
from edgelake.services.synchronizer import Synchronizer
from edgelake.storage import read_file, replace_file
from edgelake.wire import Endpoint
from edgelake.wire.codes import CONTROL_NO_DATA

__all__ = ["commands"]

commands = CommandSet(group="blockchain", topics=("ledger", "policies"))

_WAIT_S = 15.0


@commands.command(
    "blockchain add",
    summary="add policies to the ledger of this node",
    arguments=(Argument("policies", Json(any_value=True), help="a policy, or a list of them"),),
    permission=Permission.ADMIN,
    details=(
        "The same as 'blockchain insert' with local = true: the policies are checked, all of\n"
        "them first, are durable when the command returns, and wait for the master."
    ),
    examples=('blockchain add {"device": {"name": "d1"}}',),
    related=("blockchain insert",),
)
def _add(context: Context, call: Call) -> Result:
    data = call.arguments["policies"].data
    now = datetime.now(UTC)
    column = call.column("policies")
    found = [
        complete(policy_of(entry, column=column), now)
        for entry in (data if isinstance(data, list) else [data])
    ]
    ready_ledger(context.node)
    ledger = context.node.ledger
    for policy in checked_all(context, found):
        ledger.insert_local(policy.with_ledger("local"))
    _wake(context.node)
    return Result(True, "true" if context.stored else "")


@commands.command(
    "blockchain prepare policy",
    summary="give the policy that a variable holds its id and date",
    arguments=(Argument("name", VariableName(), help="the variable"),),
    permission=Permission.ADMIN,
    examples=("blockchain prepare policy !device",),
    related=("create policy", "blockchain insert"),
)
def _prepare(context: Context, call: Call) -> Result:
    name = call.arguments["name"]
    text = context.variables.get(name)
    if not text:
        raise BadArgument(
            f"'{name}' holds no policy", hint=f"write: set policy {name} [type] = {{}}"
        )
    policy = complete(
        parse_policy(expand_json(text, context.variables, strict=True)), datetime.now(UTC)
    )
    context.variables.set(name, policy.text)
    return Result()


# ----------------------------------------------------------------- checks


@commands.command(
    "blockchain test",
    summary="check every line of the ledger of this node",
    permission=Permission.READ,
    details="Names the first entry that cannot be used, and why; 'get synchronizer' counts them.",
    examples=("blockchain test",),
    related=("blockchain test cluster", "get synchronizer"),
)
def _test(context: Context, call: Call) -> Result:
    ledger = context.node.ledger
    if not (len(ledger) or ledger.quarantine or ledger.damage):
        raise LedgerInvalid(f"the ledger is empty: '{ledger.path}'")
    faults = [str(found) for found in (*ledger.damage, *ledger.quarantine)] + list(ledger.faults())
    if faults:
        more = f"; {len(faults) - 1} more" if len(faults) > 1 else ""
        raise LedgerInvalid(f"Blockchain file status: Failure: {faults[0]}{more}")
    return Result(True, "Blockchain file status: OK")


@commands.command(
    "get metadata version",
    summary="show the MD5 of the ledger of this node",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get metadata version",),
    related=("get synchronizer",),
)
def _metadata_version(context: Context, call: Call) -> Result:
    version = context.node.ledger.file_hash()
    return answer({"version": version}, version, call.options)


@commands.command(
    "blockchain wait",
    summary="wait until a policy is in the ledger, or a query finds something",
    where=Where.REQUIRED,
    options=(
        Option("id", Text(), help="id of the policy"),
        Option("policy", Json(), help="the policy, or !variable that holds it"),
        Option("command", Text(), help='a query in quotes: "blockchain get …"'),
    ),
    permission=Permission.ADMIN,
    details=(
        f"At most the pause of the synchronizer and {_WAIT_S:g} seconds. Stored in a variable,\n"
        "the answer is true or false; else it is an error when the time is over."
    ),
    examples=(
        "blockchain wait where id = ecd08d24",
        'found = blockchain wait where command = "blockchain get device where name = d1"',
    ),
    related=("run blockchain sync", "blockchain get"),
)
def _wait(context: Context, call: Call) -> Result:
    given = [key for key in ("id", "policy", "command") if call.options[key] is not None]
    if len(given) != 1:
        raise MissingOption("exactly one of id, policy and command is waited for")
    sync = context.node.services.find(Synchronizer)
    pause_s = float(sync.figures().get("interval_s", 0)) if sync is not None else 0.0
    _wake(context.node)
    if context.pause(pause_s + _WAIT_S, lambda: _is_there(context, call, given[0])):
        return Result(True, "true" if context.stored else "")
    if context.stored:
        return Result(False, "false")
    raise PolicyMissing(f"what was waited for did not come within {pause_s + _WAIT_S:g} seconds")


def _is_there(context: Context, call: Call, key: str) -> bool:
    if key == "id":
        return call.options["id"] in context.node.ledger
    if key == "policy":
        policy = complete(parse_policy(call.options["policy"]), datetime.now(UTC))
        return policy.id in context.node.ledger
    answers: list[Result] = []
    words = call.options["command"].split()
    if words[:2] not in (["blockchain", "get"], ["blockchain", "read"]):
        raise BadArgument(
            "only 'blockchain get' and 'blockchain read' are waited for",
            hint='write command = "blockchain get …"',
            column=call.column("command"),
        )
    context.interpreter.execute(call.options["command"], answers.append)
    return bool(answers and (answers[-1].data or answers[-1].text))


# ------------------------------------------------------------- whole ledgers


@commands.command(
    "blockchain update file",
    summary="take a ledger file over as the ledger of this node",
    arguments=(Argument("file", PathType(), required=False, help="default blockchain.new"),),
    permission=Permission.ADMIN,
    details=(
        "The file is checked first; damaged ones are refused and change nothing. Local policies\n"
        "that it lacks stay and wait for the master. blockchain.new is removed afterwards."
    ),
    examples=("blockchain update file", "blockchain update file /tmp/ledger.json"),
    related=("blockchain pull to json", "blockchain test"),
)
def _update_file(context: Context, call: Call) -> Result:
    node = context.node
    given = call.arguments.get("file")
    path = Path(given) if given else node.ledger.path.with_suffix(".new")
    content = read_file(path, limits.MAX_LEDGER_BYTES)
    ready_ledger(node)
    node.ledger.adopt(content, str(path), allow_empty=True)
    if not given:
        path.unlink(missing_ok=True)
    return Result()


@commands.command(
    "blockchain delete local file",
    summary="empty the ledger of this node",
    permission=Permission.ADMIN,
    details="What it held, local policies too, is kept in blockchain.old.",
    examples=("blockchain delete local file",),
    related=("blockchain update file", "run blockchain sync"),
)
def _delete_local_file(context: Context, call: Call) -> Result:
    node = context.node
    ready_ledger(node)
    content = node.ledger.content()
    if content:
        replace_file(node.ledger.path.with_suffix(".old"), content)
        node.ledger.clear()
        node.ledger.write_file()
    return Result()


@commands.command(
    "blockchain load metadata",
    summary="read the ledger file of this node again",
    permission=Permission.ADMIN,
    details="Never needed: what commands see always is what the file says.",
    examples=("blockchain load metadata",),
    related=("blockchain reload metadata", "blockchain query metadata"),
)
def _load(context: Context, call: Call) -> Result:
    ready_ledger(context.node)
    context.node.ledger.load()
    return Result()


@commands.command(
    "blockchain reload metadata",
    summary="read the ledger file of this node again",
    permission=Permission.ADMIN,
    examples=("blockchain reload metadata",),
    related=("blockchain load metadata",),
)
def _reload(context: Context, call: Call) -> Result:
    return _load(context, call)


@commands.command(
    "blockchain seed from",
    summary="begin with the ledger that another node has",
    arguments=(Argument("node", AddressType(), help="ip:port of any node of the network"),),
    permission=Permission.ADMIN,
    details=(
        "For a node whose master is not known yet. The policies are checked; what is local\n"
        "here stays."
    ),
    examples=("blockchain seed from 10.0.0.7:32048",),
    related=("run blockchain sync", "blockchain update file"),
)
def _seed(context: Context, call: Call) -> Result:
    node = context.node
    to = Endpoint(call.arguments["node"].host, call.arguments["node"].port)
    ready_ledger(node)
    # A long ledger takes its time, and so does an address where nobody is.
    with ask(context, [to], "blockchain get * bring.json", limits.REPLY_TIMEOUT_S) as asked:
        asked.job.wait(asked.timeout_s, context.watch)
        failure, found = asked.job.failures.get(0), asked.job.answers.get(0)
    if failure is not None:
        raise as_peer_error(failure)
    if found is None:
        raise NoReply(
            f"{to} did not answer within {asked.timeout_s:g} s",
            hint="existing nodes without policies do not; name one that has a ledger",
        )
    if found.error and found.error != CONTROL_NO_DATA:
        raise remote_error(found)
    text = found.text
    try:
        entries = json.loads(text) if text.strip() else []
        policies = [policy_of(entry) for entry in entries]
    except (ValueError, TypeError, RecursionError) as exc:
        raise LedgerInvalid(f"{to} answered no policies: {exc}") from exc
    content = "".join(policy.text + "\n" for policy in policies if policy.ledger != "local")
    node.ledger.adopt(content.encode() or b"\n", str(to))
    return Result({"policies": len(policies)}, "")


@commands.command(
    "blockchain switch network",
    summary="follow another master",
    where=Where.REQUIRED,
    options=(Option("master", AddressType(), required=True, help="ip:port of the master"),),
    permission=Permission.ADMIN,
    details=(
        "The synchronizer goes on with the other master and the same pause. What is local here\n"
        "goes to that one."
    ),
    examples=("blockchain switch network where master = 10.0.0.7:32048",),
    related=("run blockchain sync", "get synchronizer"),
)
def _switch(context: Context, call: Call) -> Result:
    node = context.node
    given = call.options["master"]
    master = Endpoint(given.host, given.port)
    sync = node.services.find(Synchronizer)
    if sync is None:
        raise SynchronizerNotRunning(
            "the synchronizer is not running",
            hint=f"start it: run blockchain sync where source = master and connection = {master} …",
        )
    if not isinstance(sync.source, MasterSource):
        raise BadArgument(
            "this node follows no master: its ledger has another source",
            hint="exit synchronizer, then: run blockchain sync where source = master …",
        )
    refuse_itself(node, master, call.column("master"))
    interval_s = float(sync.figures()["interval_s"])
    source = sync.source.towards(master)
    node.services.stop(Synchronizer.name)
    node.services.start(Synchronizer(source, interval_s))
    return Result({"master": str(master)}, "")


# ------------------------------------------------------------------- parts


def _wake(node: NodeParts) -> None:
    """Let the synchronizer take up a change at once."""
    sync = node.services.find(Synchronizer)
    if sync is not None:
        sync.trigger()
