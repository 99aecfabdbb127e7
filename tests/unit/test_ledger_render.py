"""Policies as text for people and for other nodes."""

from __future__ import annotations

import json

from edgelake.ledger import parse_policy, pretty, python_text

ONE = parse_policy(
    '{"device":{"name":"d1","tags":["alpha","beta"],"on":true,"info":{"vendor":"caf\u00e9","rev":null},'
    '"l":[],"o":{}}}'
)
TWO = parse_policy('{"query":{"name":"it\'s","level":1.5}}')


def test_pretty_is_json_with_one_attribute_a_line():
    assert pretty([ONE, TWO]) == (
        '[{"device" : {"name" : "d1",\n'
        '              "tags" : ["alpha",\n'
        '                        "beta"],\n'
        '              "on" : true,\n'
        '              "info" : {"vendor" : "caf\u00e9",\n'
        '                        "rev" : null},\n'
        '              "l" : [],\n'
        '              "o" : {}}},\n'
        ' {"query" : {"name" : "it\'s",\n'
        '             "level" : 1.5}}]'
    )
    assert json.loads(pretty([ONE, TWO])) == [ONE.content(), TWO.content()]
    assert pretty([]) == "[]"


def test_long_names_do_not_blow_up_the_text():
    policy = parse_policy(json.dumps({"a": {"n" * 50_000: [1] * 5_000}}))
    assert len(pretty([policy])) < 2 * len(policy.text)
    assert json.loads(pretty([policy])) == [policy.content()]


def test_replies_are_in_the_networks_notation():
    assert python_text([ONE, TWO]) == (
        "[{'device': {'name': 'd1', 'tags': ['alpha', 'beta'], 'on': True, 'info': "
        "{'vendor': 'caf\u00e9', 'rev': None}, 'l': [], 'o': {}}}, "
        "{'query': {'name': \"it's\", 'level': 1.5}}]"
    )
