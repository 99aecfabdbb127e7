"""The command language: text to typed calls, errors to text, declarations to help.

What it is: the grammar's reader. Physical lines become logical lines
(`LogicalLines`), these become statements (`parse`), and a command statement
becomes a `Call` with typed values (`bind`), checked against the declarations
in a `CommandRegistry`. A command of a known shape becomes its call at once
(`recall`, `read_remote`). References are expanded word by word after parsing, so a
value never changes the shape of a command.

What it is not: it runs nothing, knows no command by name, and does no I/O;
`edgelake.commands` declares commands and carries them out.
"""

from __future__ import annotations

from edgelake.language.binding import bind
from edgelake.language.bring import BRING_MODIFIERS, BRING_USAGE, read_bring, read_path
from edgelake.language.bringtext import bring_of_text
from edgelake.language.call import Call
from edgelake.language.command import (
    Argument,
    Brings,
    Command,
    CommandRegistry,
    CommandSet,
    Form,
    Handler,
    Option,
    Where,
)
from edgelake.language.conditions import holds
from edgelake.language.destinations import (
    IP_PORT,
    Destination,
    Destinations,
    HostedTable,
    PolicyQuery,
)
from edgelake.language.diagnostics import format_error, format_error_block, shortened
from edgelake.language.forms import (
    Json,
    JsonText,
    Label,
    PolicyTypes,
    Reference,
    Remote,
    VariableName,
    Words,
    reference_in,
)
from edgelake.language.help import help_page, markdown_page, page_text
from edgelake.language.keys import JsonPairs, JsonValue, KeyPath, KeyValue, index_keys, json_value
from edgelake.language.lines import LogicalLines
from edgelake.language.numbers import Number
from edgelake.language.parser import parse, parse_remote
from edgelake.language.plans import bind_and_learn, read_remote, recall
from edgelake.language.script import Script, ScriptLine, parameters_of, read_script
from edgelake.language.syntax import (
    And,
    Assignment,
    CommandStatement,
    Condition,
    Filtered,
    Group,
    Item,
    JsonItem,
    Literal,
    Mark,
    Not,
    Or,
    Quoted,
    Ref,
    RefKind,
    Shape,
    Show,
    Statement,
    Test,
    Word,
)
from edgelake.language.values import (
    Address,
    AddressType,
    Boolean,
    Bytes,
    Duration,
    Integer,
    Name,
    OneOf,
    PathType,
    Port,
    Seconds,
    Size,
    Text,
    ValueType,
)
from edgelake.language.variables import GrowingValue, Variables, expand_json, expand_text
from edgelake.language.wiretext import from_wire, remote_text
from edgelake.language.words import item_of

__all__ = [
    "BRING_MODIFIERS",
    "BRING_USAGE",
    "IP_PORT",
    "shortened",
    "Address",
    "AddressType",
    "And",
    "Argument",
    "Assignment",
    "Boolean",
    "Brings",
    "Bytes",
    "Call",
    "Command",
    "CommandRegistry",
    "CommandSet",
    "CommandStatement",
    "Condition",
    "Destination",
    "Destinations",
    "Duration",
    "Filtered",
    "Form",
    "Group",
    "GrowingValue",
    "Handler",
    "HostedTable",
    "Integer",
    "Item",
    "Json",
    "JsonItem",
    "JsonPairs",
    "JsonText",
    "Label",
    "JsonValue",
    "KeyPath",
    "KeyValue",
    "Literal",
    "LogicalLines",
    "Mark",
    "Name",
    "Not",
    "Number",
    "OneOf",
    "Option",
    "Or",
    "PathType",
    "PolicyQuery",
    "PolicyTypes",
    "Port",
    "Quoted",
    "Ref",
    "RefKind",
    "Reference",
    "Remote",
    "Script",
    "ScriptLine",
    "Seconds",
    "Shape",
    "Show",
    "Size",
    "Statement",
    "Test",
    "Text",
    "ValueType",
    "VariableName",
    "Variables",
    "Where",
    "Word",
    "Words",
    "bind",
    "bind_and_learn",
    "bring_of_text",
    "expand_json",
    "expand_text",
    "format_error",
    "format_error_block",
    "from_wire",
    "help_page",
    "holds",
    "item_of",
    "index_keys",
    "json_value",
    "markdown_page",
    "page_text",
    "parameters_of",
    "parse",
    "parse_remote",
    "read_bring",
    "read_path",
    "read_remote",
    "read_script",
    "recall",
    "reference_in",
    "remote_text",
]
