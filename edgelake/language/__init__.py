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
from edgelake.language.diagnostics import format_error, format_error_block, nearest, shortened
from edgelake.language.expansion import expand_json, expand_text, expand_value
from edgelake.language.expressiontext import Expression, ExpressionText
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
from edgelake.language.groups import (
    Dotted,
    DottedValue,
    GroupValue,
    OptionGroup,
    Sort,
    SortKey,
)
from edgelake.language.help import help_page, markdown_page, page_text
from edgelake.language.hosts import Address, AddressType, Host, IpAddress
from edgelake.language.identifiers import PolicyId, TableName, TableType
from edgelake.language.keys import JsonPairs, JsonValue, KeyPath, KeyValue, index_keys, json_value
from edgelake.language.lines import LogicalLines
from edgelake.language.numbers import Number
from edgelake.language.parser import parse, parse_remote
from edgelake.language.plans import bind_and_learn, read_remote, recall
from edgelake.language.registry import CommandRegistry
from edgelake.language.script import Script, ScriptLine, parameters_of, read_script
from edgelake.language.secret_names import is_secret_name
from edgelake.language.secrets import (
    HIDDEN,
    conceal,
    conceal_values,
    masked,
    redacted,
)
from edgelake.language.shelltext import ShellCommand, ShellText
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
from edgelake.language.times import (
    DateTime,
    Duration,
    Frequency,
    Hertz,
    Moment,
    MomentType,
    Seconds,
    Timezone,
    date_text,
    local_zone,
)
from edgelake.language.values import (
    Boolean,
    Bytes,
    Integer,
    Name,
    OneOf,
    PathType,
    Port,
    Size,
    Text,
    ValueType,
)
from edgelake.language.variables import GrowingValue, Variables, WrittenJson
from edgelake.language.wiretext import from_wire, remote_text
from edgelake.language.words import item_of

__all__ = [
    "Address",
    "AddressType",
    "And",
    "Argument",
    "Assignment",
    "BRING_MODIFIERS",
    "BRING_USAGE",
    "Boolean",
    "Brings",
    "Bytes",
    "Call",
    "Command",
    "CommandRegistry",
    "CommandSet",
    "CommandStatement",
    "Condition",
    "DateTime",
    "Destination",
    "Destinations",
    "Dotted",
    "DottedValue",
    "Duration",
    "Expression",
    "ExpressionText",
    "Filtered",
    "Form",
    "Frequency",
    "Group",
    "GroupValue",
    "GrowingValue",
    "HIDDEN",
    "Handler",
    "Hertz",
    "Host",
    "HostedTable",
    "IP_PORT",
    "Integer",
    "IpAddress",
    "Item",
    "Json",
    "JsonItem",
    "JsonPairs",
    "JsonText",
    "JsonValue",
    "KeyPath",
    "KeyValue",
    "Label",
    "Literal",
    "LogicalLines",
    "Mark",
    "Moment",
    "MomentType",
    "Name",
    "Not",
    "Number",
    "OneOf",
    "Option",
    "OptionGroup",
    "Or",
    "PathType",
    "PolicyId",
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
    "ShellCommand",
    "ShellText",
    "Show",
    "Size",
    "Sort",
    "SortKey",
    "Statement",
    "TableName",
    "TableType",
    "Test",
    "Text",
    "Timezone",
    "ValueType",
    "VariableName",
    "Variables",
    "Where",
    "Word",
    "Words",
    "WrittenJson",
    "bind",
    "bind_and_learn",
    "bring_of_text",
    "date_text",
    "conceal",
    "conceal_values",
    "expand_json",
    "expand_text",
    "expand_value",
    "format_error",
    "format_error_block",
    "from_wire",
    "help_page",
    "holds",
    "index_keys",
    "item_of",
    "json_value",
    "local_zone",
    "markdown_page",
    "is_secret_name",
    "masked",
    "page_text",
    "nearest",
    "parameters_of",
    "parse",
    "parse_remote",
    "read_bring",
    "read_path",
    "read_remote",
    "read_script",
    "recall",
    "reference_in",
    "redacted",
    "remote_text",
    "shortened",
]
