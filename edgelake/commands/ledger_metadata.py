"""What policies say together: tables and their nodes, trees, differences, configurations."""

from __future__ import annotations

import json
from typing import Any

from edgelake.commands.bringing import brought
from edgelake.commands.context import Context
from edgelake.commands.ledger_ready import ready_ledger
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import PolicyInvalid, PolicyMissing
from edgelake.interfaces import Permission, Result
from edgelake.language import Argument, Brings, Call, CommandSet, Json, Option, Text, Where
from edgelake.ledger import metadata_of, pretty, python_text
from edgelake.ledger.metadata import ClusterEntry, MetadataLayer

__all__ = ["commands"]

commands = CommandSet(group="blockchain", topics=("ledger", "policies"))


@commands.command(
    "blockchain query metadata",
    summary="show which tables there are, and which operators keep them",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    details="Company, database, table, cluster and its operators, as the policies say now.",
    examples=("blockchain query metadata", "blockchain query metadata where format = json"),
    related=("blockchain test cluster",),
)
def _query_metadata(context: Context, call: Call) -> Result:
    layer = metadata_of(context.node.ledger.lookup())
    return answer(_data(layer), "\n".join(_lines(context, layer)), call.options)


def _data(layer: MetadataLayer) -> dict[str, Any]:
    return {
        company: {
            dbms: {
                table: [_cluster_data(entry) for entry in entries] for table, entries in t.items()
            }
            for dbms, t in databases.items()
        }
        for company, databases in layer.tables.items()
    }


def _cluster_data(entry: ClusterEntry) -> dict[str, Any]:
    operators = [
        {
            "id": operator.id,
            "name": operator.name,
            "address": operator.address,
            "member": operator.member,
            "status": operator.status,
            "main": operator.main,
        }
        for operator in entry.operators
    ]
    return {"id": entry.id, "name": entry.name, "operators": operators}


def _lines(context: Context, layer: MetadataLayer) -> list[str]:
    """Return a line for each operator of each table; what stands above is not repeated."""
    own = context.node.address()
    rows: list[tuple[str, ...]] = []
    for company, databases in layer.tables.items():
        for dbms, tables in databases.items():
            for table, clusters in tables.items():
                for cluster in clusters:
                    path = (company, dbms, table, f"{cluster.id} ({cluster.name})")
                    for operator in cluster.operators:
                        place = "local" if operator.address == str(own) else "remote"
                        shown = f"[{operator.member:04d}  {place} {operator.status}]"
                        rows.append((*path, f"{shown:36}{operator.address}"))
                    if not cluster.operators:
                        rows.append((*path, ""))
    widths = [max((len(row[n]) for row in rows), default=0) for n in range(4)]
    lines: list[str] = []
    before: tuple[str, ...] = ("",) * 5
    for row in rows:
        same = 0
        while same < 4 and row[same] == before[same]:
            same += 1
        known = "".join(" " * (widths[n] + (5 if n else 0)) for n in range(same))
        parts = [f"{row[n]:{widths[n]}}" for n in range(same, 4)] + [row[4]]
        line = " ==> ".join(parts)
        lines.append(f"{known} ==> {line}" if same else line)
        before = row
    return lines


@commands.command(
    "blockchain test cluster",
    summary="check that clusters and operators fit together",
    permission=Permission.READ,
    examples=("blockchain test cluster",),
    related=("blockchain query metadata", "blockchain test"),
)
def _test_cluster(context: Context, call: Call) -> Result:
    layer = metadata_of(context.node.ledger.lookup())
    if not layer.clusters:
        raise PolicyMissing("no active cluster in the ledger", hint="insert a policy 'cluster'")
    if layer.faults:
        more = f"; {len(layer.faults) - 1} more" if len(layer.faults) > 1 else ""
        raise PolicyInvalid(f"{layer.faults[0]}{more}")
    return Result(True, "Blockchain cluster policies status: OK")


@commands.command(
    "blockchain get root policies",
    summary="show the policies that others name as their parent, and that have none",
    bring=Brings.OPTIONAL,
    permission=Permission.READ,
    examples=("blockchain get root policies", "blockchain get root policies bring [*][id]"),
    related=("blockchain get",),
)
def _root_policies(context: Context, call: Call) -> Result:
    found = context.node.ledger.find()
    parents = {parent for p in found if isinstance(parent := p.body.get("parent"), str)}
    # A cluster with a parent is a part of it, not its child.
    roots = [
        policy
        for policy in found
        if policy.id in parents and not policy.body.get("parent") and policy.type != "cluster"
    ]
    data = [policy.content() for policy in roots]
    if call.bring is not None:
        return brought(context, data, call.bring)
    if not context.origin.local:
        return Result(data, python_text(roots) if roots else "")
    return Result(data, pretty(roots) if roots else "", json=bool(roots))


@commands.command(
    "get policies diff",
    summary="show in which attributes two policies differ",
    arguments=(
        Argument("first", Json(), help="a policy, or !variable that holds one"),
        Argument("second", Json(), help="another one"),
    ),
    permission=Permission.READ,
    examples=('get policies diff {"device": {"name": "d1"}} {"device": {"name": "d2"}}',),
    related=("blockchain get",),
)
def _policies_diff(context: Context, call: Call) -> Result:
    first, second = (_body(call.arguments[name].data) for name in ("first", "second"))
    data = {
        "keys_only_in_policy1": [key for key in first if key not in second],
        "keys_only_in_policy2": [key for key in second if key not in first],
        "different_values": [
            [key, value, second[key]]
            for key, value in first.items()
            if key in second and json.dumps(value) != json.dumps(second[key])
        ],
    }
    return Result(data, "Compare #1\n" + json.dumps(data, indent=4, ensure_ascii=False))


def _body(data: dict[str, Any]) -> dict[str, Any]:
    """Return what is under the one key of a policy; of other objects, themselves."""
    only = next(iter(data.values())) if len(data) == 1 else None
    return only if isinstance(only, dict) else data


@commands.command(
    "config from policy",
    summary="run the script that a policy holds",
    where=Where.REQUIRED,
    options=(Option("id", Text(), required=True, help="id of the policy"),),
    permission=Permission.ADMIN,
    details=(
        "The policy has an attribute 'script', a list of commands. They run one after the\n"
        "other; the first that fails ends them."
    ),
    examples=("config from policy where id = ecd08d24",),
    related=("blockchain get",),
)
def _config_from_policy(context: Context, call: Call) -> Result:
    policy_id = call.options["id"]
    ready_ledger(context.node)
    policy = context.node.ledger.get(policy_id)
    if policy is None:
        raise PolicyMissing(
            f"no policy with id '{policy_id}' in the ledger",
            hint="list ids with: blockchain get *",
        )
    script = policy.body.get("script")
    if not isinstance(script, list) or not all(isinstance(line, str) for line in script):
        raise PolicyInvalid(
            f"policy '{policy_id}' of type '{policy.type}' has no list 'script' of commands"
        )
    for line in script:
        context.interpreter.execute(line, context.emit, parent=context)
    return Result()
