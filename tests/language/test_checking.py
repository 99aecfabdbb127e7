"""What a check of a script finds, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgelake import limits
from edgelake.commands import build_registry
from edgelake.errors import CommandNotAvailable
from edgelake.language.checking import ScriptCheck
from tests.language.sample import NETWORK, REGISTRY

SCRIPTS = Path(__file__).parent / "data" / "scripts"
EXAMPLES = Path(__file__).parents[2] / "examples"


def found(text: str, *known: str, **values: str) -> list[str]:
    """Return what a check says of a script."""
    return [str(one) for one in ScriptCheck(text, REGISTRY, values).diagnostics(known)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("get status\nset x = 5\nprint !x\n", []),
        ("prnt x", ["1:1: error 141: unknown command 'prnt': did you mean 'print'?"]),
        (
            "\n# note\n  get stat",
            ["3:7: error 141: unknown command 'get stat': did you mean 'get status'?"],
        ),
        ("get 'status'", ["1:5: error 141: unknown command 'get 'status'': 'help get' lists"]),
        (
            "run tcp server where external_ip = x and external_port = 1 and threads = few",
            ["1:74: error 175: threads: 'few' is not a whole number"],
        ),
        # All faults of a command, not the first alone.
        (
            "run tcp server where externl_ip = x and external_port = ham and bind = yes",
            [
                "1:22: error 216: 'run tcp server' has no option 'externl_ip': did you mean",
                "1:57: error 175: external_port: 'ham' is not a port",
                "1:72: error 175: bind: 'yes' is not true or false",
                "1:75: error 263: option 'external_ip' is required",
            ],
        ),
        # A block: places are those of the file.
        (
            "<run tcp server where\n  external_ip = x and\n  external_port = ham>",
            ["3:19: error 175: external_port: 'ham' is not a port"],
        ),
        # JSON over several lines.
        ('p = {\n  "a": {\n    "b": !nothing\n}}', ["3:10: warning 138: '!nothing' gets no value"]),
        # What is wrong behind then, do, else and task, in assignments, behind &.
        ("if !a == 5 then prnt x", ["1:17: error 141: unknown command 'prnt'"]),
        ("do get stat", ["1:8: error 141"]),
        ("else if !a then else prnt", ["1:22: error 141"]),
        ("schedule time = 1 minute and name = x task prnt x", ["1:44: error 141"]),
        ("x = get stat", ["1:9: error 141"]),
        ("print a & prnt b", ["1:11: error 141"]),
        # Values with references have no text yet; what is known has.
        ("x = 5\nrun tcp server where external_ip = !x and external_port = !x", []),
        ("if !a = 5 then print x", ["1:7: error 2: '=' is no comparison"]),
        # A variable that the script asks about need not have a value, before or after.
        ("if not !a then print x", []),
        ("print !a\nif not !a then print x\nprint !a.int", []),
        ("if !berth == 7 then print x\nset tide = !berth", []),
        ("do if !a and (!b or not !c != 5) then print !a !b !c", []),
        ("wait 5 for !a\nprint !a", []),
        # Unless its name is almost that of one that has a value.
        (
            "crane_load = 5\nif !crane_laod.int > 7 then print x",
            ["2:4: warning 138: '!crane_laod' gets no value in the script: did you mean '!cra"],
        ),
        (
            "crane_load = 5\nprint !crane_Load !wall",
            [
                "2:7: warning 138: '!crane_Load' gets no value in the script: did you mean '!crane",
                "2:19: warning 138: '!wall' gets no value in the script: give it one",
            ],
        ),
        ("crane1_load = 5\nif !crane2_load == 7 then print x", []),
        # Without 'then' the command is taken for the end of the condition.
        (
            "if !a goto b",
            ["1:7: error 2: unknown comparison 'goto': write 'then' before a command"],
        ),
        ("print !a !a !b", ["1:7: warning 138: '!a' gets", "1:13: warning 138: '!b' gets"]),
        ("print $HOME !!far", []),
        ("print !x.int !x.name[0:2]\nx = 5", []),
        ("get status where include = !x and include = !y\ny[k] = 1", ["1:28: warning 138: '!x'"]),
        ("print (a\nprint b)\nget status\nprint [1", ["1:7: error 11", "4:1: error 11"]),
        ("print 'é\0\x1b' !no\u2028", ["1:13: warning 138: '!no' gets no value"]),
    ],
)
def test_faults_and_their_places(script: str, expected: list[str]) -> None:
    shown = found(script)
    assert len(shown) == len(expected), shown
    for line, start in zip(shown, expected, strict=True):
        assert line.startswith(start)


def test_a_fault_goes_to_the_end_of_its_word() -> None:
    (one,) = ScriptCheck("get status\n get nosuch x", REGISTRY).diagnostics()
    assert (one.line, one.column, one.end_column) == (2, 6, 12)


def test_known_variables_are_no_fault_and_their_values_are_checked() -> None:
    script = "run tcp server where external_ip = !ip and external_port = !port"
    assert len(found(script)) == 2
    assert found(script, "ip", "port") == []
    assert found(script, ip="10.0.0.1", port="7") == []
    (fault,) = found(script, "ip", port="ham")
    assert fault.startswith("1:60: error 175: external_port: 'ham' is not a port")


@pytest.mark.parametrize("gap", ["", ":there:"])
def test_after_what_is_never_closed_its_lines_are_no_commands(gap: str) -> None:
    shown = found(f'<x = {{\n  "a": 5,\n  "b": 7\n}}\n{gap}\nprnt a\n')
    assert [line.split(":")[0] for line in shown] == ["1", "6"]


@pytest.mark.parametrize("opened", ["<get status", "x = {", "x = ["])
def test_after_what_is_never_closed_the_check_goes_on(opened: str) -> None:
    shown = found(f"get status\n{opened}\nprnt a\nget stat\n")
    assert [line.split(":")[0] for line in shown] == ["2", "3", "4"]
    assert shown[0].startswith("2:1: error 11")


def test_faults_are_bounded_and_that_is_told() -> None:
    check = ScriptCheck("prnt x\n" * (2 * limits.MAX_CHECK_FAULTS), REGISTRY)
    assert len(check.diagnostics()) == limits.MAX_CHECK_FAULTS
    assert not check.complete
    check = ScriptCheck("prnt x\n" * (limits.MAX_CHECK_FAULTS - 1), REGISTRY)
    assert len(check.diagnostics()) == limits.MAX_CHECK_FAULTS - 1
    assert check.complete


@pytest.mark.parametrize(
    ("number", "complete"),
    [(limits.MAX_CHECK_RESTARTS, True), (limits.MAX_CHECK_RESTARTS + 1, False)],
)
def test_blocks_without_end_are_bounded(number: int, complete: bool) -> None:
    check = ScriptCheck("<print\n" * number, REGISTRY)
    assert check.complete is complete
    assert len(check.diagnostics()) == number


REAL = build_registry()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            "connect dbms tides where type = mongo and region = x and provider = y and hue = red",
            [
                "1:33: error 282: type: 'mongo' is not available in this version: write sqlite",
                "1:43: error 282: option 'region' of 'connect dbms' is not available",
                "1:58: error 282: option 'provider' of 'connect dbms' is not available",
                "1:75: error 216: 'connect dbms' has no option 'hue'",
            ],
        ),
        (
            "run blockchain sync where source = blockchain and time = 5 seconds and dest = file"
            " and platform = hyperledger and file = f",
            ["1:99: error 282: platform: 'hyperledger' is not", "1:115: error 282: option 'file'"],
        ),
        (
            "set msg client pool 3\nexit operator",
            ["1:1: error 282: 'set msg client pool'", "2:1: error 282"],
        ),
        ("exit tcp", []),
        (
            "key = get public key where keys_file = pier",
            ["1:7: error 282: 'get public key' is not"],
        ),
        ("<set aggregation where dbms = a and\n table = b>", ["1:2: error 282: 'set aggregation'"]),
        (
            "set policy pier[node][name] = x",
            [
                "1:12: error 175: name: 'pier[node][name]' is not a name: write a blank before",
                "1:28",
            ],
        ),
        (
            "if !key then set policy pier [node][name] == x",
            ["1:43: error 2: '==' compares, and gives no value: write '='"],
        ),
        ("set pier[node] = {}\nset pier[node][sea mark] = 7\nprint !pier", []),
        (
            "set owner = from !key bring [company]",
            ["1:23: error 2: 'set' takes no 'bring' here: write <name> = <command> to store an"],
        ),
    ],
)
def test_what_other_nodes_have_is_told_apart_from_what_none_has(
    script: str, expected: list[str]
) -> None:
    shown = [str(one) for one in ScriptCheck(script, REAL).diagnostics({"key"})]
    assert len(shown) == len(expected), shown
    for line, start in zip(shown, expected, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (":a:\ngoto a\n", []),
        ("on error goto a\non error call b\ncall b\n:a:\n:b:\nreturn", []),
        ("goto a", ["1:6: error 2: no label 'a' in the script: write :a: where it goes on"]),
        (
            "goto lop\nprint x\n:loop:",
            ["1:6: error 2: no label 'lop' in the script: did you mean 'loop'?"],
        ),
        (
            "if $X then goto a\ndo call b\nelse on error goto c",
            ["1:17: error 2: no label 'a'", "2:9: error 2: no label", "3:20: error 2: no label"],
        ),
        (":a:\nprint x\n:a:", ["3:1: error 2: label 'a' stands at line 1 already"]),
        (": a\n:a b:\n:ok: whatever {", ["1:1: error 2: ': a' is no label", "2:1: error 2:"]),
        # A label that is not closed is one; other nodes skip it.
        (
            "goto a\n:a\n:b; # note\ngoto b",
            [
                "2:1: warning 2: label 'a' is not closed, other nodes skip it: write :a:",
                "3:1: warning 2: label 'b' is not closed, other nodes skip it: write :b:",
            ],
        ),
        (":a\n:a:", ["1:1: warning 2", "2:1: error 2: label 'a' stands at line 1 already"]),
        # Who forgets the jump to a label is told so, and the label counts as used.
        (
            "if $X then failed\nend script\n:failed:",
            ["1:12: error 141: unknown command 'failed': did you mean 'goto failed'?"],
        ),
        (
            "on error went-wrong\nend script\n:went-wrong:",
            ["1:10: error 141: unknown command 'on error went-wrong': did you mean 'on error goto"],
        ),
        (
            ":end-script:\nend-script",
            ["2:1: error 141: unknown command 'end-script': did you mean 'end script'"],
        ),
        (
            "goto goto a\nend script\n:a:",
            ["1:11: error 2: unexpected word 'a': write goto <label>"],
        ),
        # Headings are gone through; behind a jump nothing leads to a label that nobody names.
        (":a:\nprint x\n:b:", []),
        ("end script\n:a:\nprint x", ["2:1: warning 2: nothing leads to label 'a'"]),
        ("goto b\n\n# note\n:a:\n:b:", ["4:1: warning 2: nothing leads to label 'a'"]),
        ("if $X then end script\n:a:\nprint x", []),
        ("x = a\ngoto !x\nend script\n:a:", []),
        ("variables (x, y)\nprint !x !y !z", ["2:13: warning 138: '!z'"]),
        ("print x\nvariables (y)", ["2:1: error 2: 'variables' stands behind other commands"]),
        ("variables (", ["1:1: error 2: the parameters of a script are not a list of names"]),
    ],
)
def test_labels_and_parameters(script: str, expected: list[str]) -> None:
    shown = [str(one) for one in ScriptCheck(script, REAL).diagnostics()]
    assert len(shown) == len(expected), shown
    for line, start in zip(shown, expected, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.al")), ids=lambda path: path.name)
def test_commands_of_other_nodes_are_named_as_such(path: Path) -> None:
    """The sample registry lacks most commands, those that have a shape of their own too."""
    check = ScriptCheck(path.read_text(encoding="utf-8"), NETWORK)
    errors = [one for one in check.diagnostics() if one.severity == "error"]
    assert [
        one for one in errors if one.code != CommandNotAvailable.code and not _sample(one)
    ] == []
    assert len(errors) > 5


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.al")), ids=lambda path: path.name)
def test_deployment_scripts_have_no_error_but_commands_that_are_not_there(path: Path) -> None:
    check = ScriptCheck(path.read_text(encoding="utf-8"), REAL)
    errors = [one for one in check.diagnostics() if one.severity == "error"]
    assert {one.code for one in errors} <= {CommandNotAvailable.code}


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("**/*.al")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_the_examples_are_right(path: Path) -> None:
    check = ScriptCheck(path.read_text(encoding="utf-8"), REAL)
    assert [one for one in check.diagnostics() if one.severity == "error"] == []


def _sample(one: object) -> bool:
    """Return whether a fault is one of the sample alone, whose commands take less."""
    return "takes no 'bring'" in str(one) or "is not a name" in str(one)
