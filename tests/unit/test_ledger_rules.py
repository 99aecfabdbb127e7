"""Rules of the types of policies, defaults, and the indices by which they are checked."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelake.errors import PolicyInvalid, PolicyMissing, PolicyNotUnique
from edgelake.ledger import (
    AllOf,
    AnyOf,
    Compare,
    Policy,
    PolicyIndex,
    check,
    fault_of,
    matches,
    policy_of,
    with_defaults,
)


def policy(kind: str, policy_id: str = "new", **body: object) -> Policy:
    return policy_of({kind: {**body, "id": policy_id}})


CLUSTER = policy("cluster", "cl-1", company="acme", name="c1")
OPERATOR = policy(
    "operator", "op-1", company="acme", name="o1", ip="10.0.0.1", port=1, cluster="cl-1", member=5
)
KEYS = {"public_key": "k", "signature": "s"}
STATE = PolicyIndex(
    [
        CLUSTER,
        OPERATOR,
        policy("table", "t-1", dbms="d", name="t", create="c"),
        policy("mapping", "m-1", dbms="d", table="t", schema={}),
        policy("member", "mem-1", type="root", public_key="k1"),
        policy("permissions", "p-1", name="p", enable=[], **KEYS),
        policy("license", "l-1", activation_key="a", company="b", expiration="c", type="d"),
        policy("tag", "tag-1", dbms="d", table="t", ns=2, node_iid="i"),
        policy("bucket", "b-1", name="b", operator="o"),
        policy("uns", "u-1", name="E", namespace="E", dbms="d", table="t"),
    ]
)
OPERATOR_2 = {"company": "acme", "name": "o2", "ip": "10.0.0.2", "port": 2, "cluster": "cl-1"}

GOOD = [
    policy("cluster", company="acme", name="c2", table=[{"dbms": "d", "name": "t"}]),
    policy("cluster", company="acme", name="c1", parent="cl-1"),
    policy("operator", **OPERATOR_2, member=6, main=True),
    policy("table", dbms="d", name="t2", create="c", company="x"),
    policy(
        "mapping",
        dbms="d",
        table="t",
        schema={"v": {"type": "int", "bring": "[v]", "default": 1}, "__x__": 5},
        **{"import": {"base": "m-1"}},
    ),
    policy("transform", dbms="d", table="t", column="c"),
    policy("member", type="node", public_key="k2"),
    policy("permissions", name="p2", enable=["*"], tables=[], **KEYS),
    policy("assignment", permissions="p", members=[], **KEYS),
    policy("license", activation_key="1", company="2", expiration="3", type="4"),
    policy("tag", dbms="d", table="t2", ns=2, node_sid="i"),
    policy("bucket", name="b2", operator="o"),
    policy("uns", name="S", namespace="E/S", parent="u-1"),
    policy("anything"),
    OPERATOR,
]

BAD = [
    (policy("cluster", name="c"), "policy 'cluster' without 'company'"),
    (policy("cluster", company="a", name=7), "'name' of policy 'cluster' is not a text"),
    (policy("cluster", company="a", name="c1"), "name 'c1' of policy 'cluster' is not unique"),
    (
        policy("cluster", company="a", name="c", table=[{"dbms": "d"}]),
        "entry 1 of 'table' of policy 'cluster' without 'name'",
    ),
    (
        policy("cluster", company="a", name="c", table=[{"dbms": "d", "name": "t"}] * 2),
        "names table 'd.t' twice",
    ),
    (policy("cluster", company="acme", name="c1", parent="x"), "names no policy of type 'cluster'"),
    (policy("cluster", company="beta", name="c1", parent="cl-1"), "has another company: 'acme'"),
    (policy("cluster", company="acme", name="c2", parent="cl-1"), "has another name: 'c1'"),
    (
        policy("operator", **{**OPERATOR_2, "cluster": "x"}),
        "names no policy of type 'cluster': 'x'",
    ),
    (policy("operator", company="a", name="n", port=1), "policy 'operator' without 'ip'"),
    (policy("operator", **{**OPERATOR_2, "port": "2"}), "'port' of policy 'operator' is not a w"),
    (
        policy("operator", **{**OPERATOR_2, "port": True}),
        "'port' of policy 'operator' is not a w",
    ),
    (policy("operator", **{**OPERATOR_2, "port": 65536}), "is 65536, not 1 to 65535"),
    (
        policy("operator", **{**OPERATOR_2, "ip": "10.0.0.1", "port": 1}),
        "ip '10.0.0.1' and port '1' of policy 'operator' is not unique: 'op-1' has it",
    ),
    (policy("operator", **{**OPERATOR_2, "name": "o1"}), "company 'acme' and name 'o1'"),
    (policy("operator", **{**OPERATOR_2, "company": "b", "name": "o1"}), "name 'o1' of policy"),
    (policy("operator", **OPERATOR_2, member=5), "cluster 'cl-1' and member '5'"),
    (policy("table", dbms="d", name="x"), "policy 'table' without 'create'"),
    (policy("table", dbms="d", name="t", create=""), "dbms 'd' and name 't' of policy 'table'"),
    (policy("mapping", dbms="d", table="t"), "policy 'mapping' without 'schema'"),
    (
        policy("mapping", dbms="d", table="t", schema={"v": {"bring": "[v]"}}),
        "column 'v' of policy 'mapping' without 'type'",
    ),
    (policy("mapping", dbms="d", table="t", schema={"v": 1}), "column 'v' of policy 'mapping' is"),
    (
        policy("mapping", dbms="d", table="t", schema={"v": [{"type": "int", "default": "1"}]}),
        "'default' of column 'v' of policy 'mapping' is not of type 'int'",
    ),
    (
        policy("mapping", dbms="d", table="t", schema={"v": {"type": "int", "script": "if 1"}}),
        "'script' of column 'v' of policy 'mapping' is not a list of commands",
    ),
    (
        policy("mapping", dbms="d", table="t", schema={}, **{"import": {"x": "t-1"}}),
        "'import' of policy 'mapping' names no mapping as 'x': 't-1'",
    ),
    (policy("transform", dbms="d", table="t"), "policy 'transform' without 'column'"),
    (policy("member", type="root", public_key="k9"), "there is a root member already: 'mem-1'"),
    (policy("member", type="node", public_key="k1"), "public_key 'k1' of policy 'member'"),
    (policy("permissions", name="p1", enable=["*"]), "policy 'permissions' without 'public_key'"),
    (policy("permissions", name="p", enable=[], **KEYS), "name 'p' of policy 'permissions'"),
    (policy("assignment", permissions="p", members="m", **KEYS), "'members' of policy 'assign"),
    (
        policy("license", activation_key="1", company="2", expiration="3", type="d"),
        "type 'd' of policy 'license' is not unique",
    ),
    (policy("tag", dbms="d", table="t", ns=2, node_iid="j"), "dbms 'd' and table 't' of policy"),
    (policy("tag", dbms="d", table="x", ns=2), "policy 'tag' without 'node_iid' or 'node_sid'"),
    (policy("bucket", name="b", operator="o2"), "name 'b' of policy 'bucket'"),
    (policy("uns", name="x", namespace="E"), "namespace 'E' of policy 'uns'"),
    (policy("uns", name="x", namespace="X", parent="op-1"), "names no policy of type 'uns'"),
    (policy("uns", name="x", namespace="X", table="t"), "with 'table' but without 'dbms'"),
    (
        policy("uns", name="E", namespace="X", dbms="d", table="t"),
        "dbms 'd' and table 't' and name 'E'",
    ),
]


@pytest.mark.parametrize("new", GOOD, ids=lambda new: new.text[:50])
def test_what_keeps_the_rules_is_taken(new):
    check(new, STATE)


@pytest.mark.parametrize(("new", "reason"), BAD, ids=lambda value: str(value)[:60])
def test_what_breaks_a_rule_is_refused_with_the_reason(new, reason):
    with pytest.raises((PolicyInvalid, PolicyMissing, PolicyNotUnique)) as found:
        check(new, STATE)
    assert reason in str(found.value)


def test_defaults_are_added_behind_what_is_there():
    made = with_defaults(
        policy("cluster", company="a", name="c", table=[{"dbms": "d", "name": "t"}]), STATE
    )
    assert made.text.endswith(
        '"table": [{"dbms": "d", "name": "t", "status": "active"}], "id": "new",'
        ' "status": "active"}}'
    )
    told = policy("cluster", company="a", name="c", status="static")
    assert with_defaults(told, STATE) is told


def test_a_member_is_one_that_the_cluster_does_not_have():
    taken = [
        policy("operator", f"op-{number}", cluster="cl", member=number)
        for number in range(1, 256)
        if number != 77
    ]
    new = policy("operator", **{**OPERATOR_2, "cluster": "cl"})
    assert with_defaults(new, PolicyIndex(taken)).body["member"] == 77
    full = PolicyIndex([*taken, policy("operator", "op-77", cluster="cl", member=77)])
    with pytest.raises(PolicyNotUnique, match="has 255 members"):
        with_defaults(new, full)


def test_stored_policies_have_fewer_rules():
    assert fault_of(policy("table", dbms="d", name="t")) == "policy 'table' without 'create'"
    assert fault_of(policy("operator", **{**OPERATOR_2, "port": "x"})) is not None
    assert fault_of(policy("cluster", name="c")) is None
    assert fault_of(OPERATOR) is None


VALUES = st.one_of(
    st.sampled_from(["a", "A", "b", "*", "3", "3.0", "true", "True", "", "None"]),
    st.integers(0, 3),
    st.sampled_from([3.0, 1.5]),
    st.booleans(),
    st.none(),
    st.lists(st.sampled_from(["a", "B", 3]), max_size=2),
    st.dictionaries(st.sampled_from(["x"]), st.integers(0, 1), max_size=1),
)
BODIES = st.dictionaries(st.sampled_from(["k", "m"]), VALUES, max_size=2)
LEDGERS = st.lists(st.tuples(st.sampled_from(["p", "q"]), BODIES), max_size=12)
WANTED = st.one_of(
    st.sampled_from(["a", "A", "b", "*", "3", "3.0", "1.5", "true", "", "['a']", "['a', 'b']"]),
    st.integers(0, 3),
    st.booleans(),
)
TESTS = st.one_of(
    st.builds(
        Compare,
        st.sampled_from([("k",), ("m",), ("k", "x")]),
        st.sampled_from(["=", "==", "!="]),
        WANTED,
    ),
    st.builds(
        Compare, st.just(("k",)), st.just("with"), st.lists(st.sampled_from(["a", "B", "3"]))
    ),
)
CONDITIONS = st.recursive(
    TESTS,
    lambda parts: st.one_of(
        st.builds(AllOf, st.lists(parts, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(parts, max_size=3).map(tuple)),
    ),
    max_leaves=4,
)


@given(
    ledger=LEDGERS,
    condition=CONDITIONS,
    types=st.sampled_from([None, ("*",), ("p",), ("p", "q"), ("none",)]),
    gone=st.sets(st.integers(0, 11), max_size=4),
)
def test_an_index_finds_what_looking_at_all_finds(ledger, condition, types, gone):
    index = PolicyIndex()
    index.find(types, condition)
    policies = [policy(kind, str(n), **body) for n, (kind, body) in enumerate(ledger)]
    for entry in policies:
        index.add(entry)
    for number in gone:
        index.remove(str(number))
    left = [entry for entry in policies if int(entry.id) not in gone]
    wanted = None if types is None or "*" in types else set(types)
    expected = [
        entry
        for entry in left
        if (wanted is None or entry.type in wanted) and matches(entry, condition)
    ]
    assert index.find(types, condition) == expected
    assert PolicyIndex(left).find(types, condition) == expected


@given(ledger=LEDGERS, value=VALUES)
def test_equal_values_are_found_by_kind_and_value(ledger, value):
    policies = [policy(kind, str(n), **body) for n, (kind, body) in enumerate(ledger)]
    found = PolicyIndex(policies).having("p", {"k": value})
    expected = [
        entry
        for entry in policies
        if entry.type == "p"
        and "k" in entry.body
        and json.dumps(entry.body["k"]) == json.dumps(value)
    ]
    assert found == expected


def test_a_policy_put_in_the_place_of_another_is_found_there():
    index = PolicyIndex([policy("p", "1", k="a"), policy("p", "2", k="a")])
    assert [p.id for p in index.find(("p",), Compare(("k",), "=", "a"))] == ["1", "2"]
    index.put(policy("p", "1", k="b"))
    assert [p.id for p in index.find(("p",), Compare(("k",), "=", "a"))] == ["2"]
    assert [p.id for p in index.find(None, None)] == ["1", "2"]
    assert len(index) == 2
    assert index.types() == ["p"]
