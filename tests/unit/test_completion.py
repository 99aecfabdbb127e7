"""What the Tab key offers."""

from __future__ import annotations

import pytest

from edgelake.commands import build_registry
from edgelake.completion import candidates
from edgelake.language import BRING_MODIFIERS

REGISTRY = build_registry()
VARIABLES = ["berth", "blockchain_dir", "blockchain_file"]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("ge", {"get"}),
        ("get sta", {"status"}),
        ("get tcp ", {"info", "pool", "stats"}),
        ("exit ", {"node", "scripts", "synchronizer", "tcp"}),
        ("help run t", {"tcp"}),
        ("answer = get sta", {"status"}),
        ("run tcp server ", {"where"}),
        ("run tcp server where bi", {"bind"}),
        ("run tcp server where bind ", {"="}),
        ("run tcp server where bind = ", {"true", "false"}),
        ("run tcp server where bind = true ", {"and"}),
        ("run tcp server where bind = true and b", set()),
        ("run blockchain sync where dest = file and de", {"dest"}),
        ("run blockchain sync where source = ", {"dbms", "master"}),
        ("set remote permission ", {"="}),
        ("set remote permission = ", {"admin", "metadata", "read"}),
        ("connect dbms blockchain ", {"where"}),
        ("print !bl", {"!blockchain_dir", "!blockchain_file"}),
        ("run client (1.2.3.4:5) get !!be", {"!!berth"}),
        ("nosuch ", set()),
        ("blockchain get device bri", {"bring", *(f"bring.{name}" for name in BRING_MODIFIERS)}),
        ("blockchain get device bring.re", {"bring.recent"}),
        ("blockchain get device where name = d1 bring.ta", {"bring.table"}),
        ("from !x bring.json.un", {"bring.json.unique"}),
        ("from !x bring.json.js", set()),
        ("from !x bring ", {"separator"}),
        ("from !x bring [a] separator ", {"="}),
        ("from !x bring [a] separator = ", set()),
        ('json {"a":1} ', {"test"}),
    ],
)
def test_what_is_offered(text, offered):
    *words, started = text.split(" ")
    assert candidates(REGISTRY, VARIABLES, words, started) == offered
