"""Commands on folders: what they hold, how large it is, and a command for each file."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.reach import path_of, reach_of
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import CommandSyntaxError
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import Argument, Call, CommandSet, Integer, OneOf, PathType, Where
from edgelake.storage import (
    Listed,
    access_of,
    folder_size,
    list_files,
    list_folders,
    modified_s,
)

__all__ = ["commands", "listing"]

commands = CommandSet(group="files")

_FOLDER = Argument("folder", PathType(), help="path of a folder")
_PATH = Argument("path", PathType(), help="path of a file or folder")

_FILE_NAME = (
    "[dbms name].[table name].[data source].[hash value].[mapping policy]"
    ".[TSD member ID].[TSD row ID].[TSD date].json"
)


class _GetFile(OneOf):
    """The words behind the folder."""

    greedy = True


@commands.command(
    "get files",
    summary="list the files of a folder",
    arguments=(_FOLDER,),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    examples=("get files /data", "get files !blockchain_file/.. where format = json"),
    related=("get directories", "get size", "directory"),
)
def _get_files(context: Context, call: Call) -> Result:
    found = list_files(path_of(context, call, "folder"), reach_of(context))
    return listing(found, call)


@commands.command(
    "get directories",
    summary="list the folders in a folder",
    arguments=(_FOLDER,),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    examples=("get directories /data", "get directories /data where format = json"),
    related=("get files", "get size"),
)
def _get_directories(context: Context, call: Call) -> Result:
    found = list_folders(path_of(context, call, "folder"), reach_of(context))
    data = [{"name": entry.name, "modified": _time(entry.modified)} for entry in found]
    rows = [(entry.name, _time(entry.modified)) for entry in found]
    return answer(data, Table(("Directory", "Modified"), rows), call.options)


@commands.command(
    "get size",
    summary="show how much the files in a folder and below it take",
    arguments=(_FOLDER,),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    details="Bytes of the files' content. Links are not followed.",
    examples=("get size /data", "get size /data where format = json"),
    related=("get files",),
)
def _get_size(context: Context, call: Call) -> Result:
    size, files = folder_size(path_of(context, call, "folder"), reach_of(context))
    data = {"bytes": size, "files": files}
    return answer(data, Table(("Bytes", "Files"), [(size, files)]), call.options)


@commands.command(
    "get access",
    summary="show what the node may do with a file or folder",
    arguments=(_PATH,),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    examples=("get access /data", "get access !blockchain_file where format = json"),
    related=("file test",),
)
def _get_access(context: Context, call: Call) -> Result:
    found = access_of(path_of(context, call, "path"), reach_of(context))
    data = {"read": found.read, "write": found.write, "execute": found.execute}
    return answer(data, Table(("Read", "Write", "Execute"), [tuple(data.values())]), call.options)


@commands.command(
    "get file timestamp",
    summary="show when a file was changed last",
    arguments=(_PATH,),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    details="In UTC.",
    examples=("get file timestamp !blockchain_file",),
    related=("get files",),
)
def _get_file_timestamp(context: Context, call: Call) -> Result:
    path = path_of(context, call, "path")
    changed = _time(modified_s(path, reach_of(context)))
    return answer({"path": path, "modified": changed}, changed, call.options)


@commands.command(
    "get json file struct",
    summary="show how the names of data files are made up",
    permission=Permission.READ,
    examples=("get json file struct",),
    related=("get files",),
)
def _get_json_file_struct(context: Context, call: Call) -> Result:
    return Result(_FILE_NAME, _FILE_NAME)


@commands.command(
    "directory",
    summary="show the paths of the files in a folder, one a line",
    arguments=(
        _FOLDER,
        Argument("get file", _GetFile("get file", "get file repeat"), help="these two words"),
    ),
    value=Argument("n", Integer(1, limits.MAX_LISTED_FILES), required=False, help="step"),
    permission=Permission.ADMIN,
    slow=True,
    details="With 'repeat = n' every n-th file, in alphabetical order.",
    examples=("directory /data get file", "directory /data get file repeat = 2"),
    related=("get files",),
)
def _directory(context: Context, call: Call) -> Result:
    repeated = call.arguments["get file"].endswith("repeat")
    if repeated is (call.value is None):
        raise CommandSyntaxError(
            "'repeat' and its number belong together",
            hint="write directory <folder> get file repeat = 2",
        )
    folder = path_of(context, call, "folder")
    step = call.value or 1
    found = list_files(folder, reach_of(context))[step - 1 :: step]
    paths = [os.path.join(folder, entry.name) for entry in found]
    return Result(paths, "\n".join(paths))


def listing(found: list[Listed], call: Call) -> Result:
    """Return files as a table or as JSON."""
    data = [
        {"name": entry.name, "bytes": entry.size, "modified": _time(entry.modified)}
        for entry in found
    ]
    rows = [(entry.name, entry.size, _time(entry.modified)) for entry in found]
    return answer(data, Table(("File", "Bytes", "Modified"), rows), call.options)


def _time(seconds: float) -> str:
    """Return a time as the network writes it, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
