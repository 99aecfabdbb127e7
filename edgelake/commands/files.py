"""Commands on files of this node: copy, move, delete, test, hash, compress and encode."""

from __future__ import annotations

import os
from collections.abc import Callable

from edgelake.commands.context import Context
from edgelake.commands.reach import path_of, reach_of
from edgelake.errors import EdgeLakeError, FolderMissing, StorageError
from edgelake.interfaces import Permission, Result
from edgelake.language import Argument, Call, CommandSet, OneOf, Option, PathType, Where
from edgelake.storage import (
    Reach,
    Use,
    compress_file,
    copy_file,
    decode_file,
    decompress_file,
    delete_file,
    encode_file,
    file_exists,
    hash_file,
    landing,
    matching_files,
    move_file,
)

__all__ = ["commands"]

commands = CommandSet(group="files")

_SOURCE = Argument("source", PathType(), help="path of a file; * in its name stands for any text")
_TARGET = Argument("target", PathType(), help="path of a file, or a folder that exists")
_NEW = Argument("target", PathType(), required=False, help="path of the new file, or a folder")

Work = Callable[[str, str, Reach], object]


class _IgnoreError(OneOf):
    """The words ``ignore error``."""

    greedy = True


@commands.command(
    "file copy",
    summary="copy a file, or the files that a pattern names",
    arguments=(_SOURCE, _TARGET),
    permission=Permission.ADMIN,
    slow=True,
    details=(
        "A file that is there is replaced in one step. Behind 'run client' the source lies\n"
        "here and the target at the other node: see 'help run client'."
    ),
    examples=(
        "file copy !blockchain_file /backup/ledger.json",
        "file copy !local_scripts/*.al /backup",
    ),
    related=("file move", "file get", "run client"),
)
def _file_copy(context: Context, call: Call) -> Result:
    return _each(context, call, copy_file)


@commands.command(
    "file move",
    summary="move or rename a file, or the files that a pattern names",
    arguments=(_SOURCE, _TARGET),
    permission=Permission.ADMIN,
    slow=True,
    details="A file that is there is replaced in one step.",
    examples=("file move /data/new.json /data/ready/", "file move /data/*.json /data/ready"),
    related=("file copy", "file delete"),
)
def _file_move(context: Context, call: Call) -> Result:
    return _each(context, call, move_file)


@commands.command(
    "file to",
    summary="put a copy of a file somewhere",
    arguments=(_TARGET,),
    where=Where.REQUIRED,
    options=(Option("source", PathType(), required=True, help="path of the file"),),
    permission=Permission.NEVER,
    slow=True,
    details="The same as 'file copy'.",
    examples=("file to /etc/plant/ where source = /tmp/plant.json",),
    related=("file copy",),
)
def _file_to(context: Context, call: Call) -> Result:
    reach = reach_of(context)
    source: str = call.options["source"]
    if context.origin.local:
        source = os.path.expanduser(source)
    copy_file(source, landing(source, path_of(context, call, "target"), reach), reach)
    return Result({"files": 1})


@commands.command(
    "file delete",
    summary="delete a file",
    arguments=(
        Argument("path", PathType(), help="path of a file"),
        Argument(
            "ignore error",
            _IgnoreError("ignore error"),
            required=False,
            help="be silent about a file that is not there or cannot be deleted",
        ),
    ),
    permission=Permission.ADMIN,
    slow=True,
    details="Folders are not deleted; * has no meaning here.",
    examples=("file delete /tmp/old.json", "file delete /tmp/old.json ignore error"),
    related=("file move", "delete archive"),
)
def _file_delete(context: Context, call: Call) -> Result:
    try:
        delete_file(path_of(context, call, "path"), reach_of(context))
    except StorageError:
        if call.arguments.get("ignore error") is None:
            raise
        return Result({"files": 0})
    return Result({"files": 1})


@commands.command(
    "file test",
    summary="tell whether a file or folder exists",
    arguments=(Argument("path", PathType(), help="path of a file or folder"),),
    permission=Permission.ADMIN,
    examples=("file test !blockchain_file", "seen = file test /data/new.json"),
    related=("get files", "get access"),
)
def _file_test(context: Context, call: Call) -> Result:
    found = file_exists(path_of(context, call, "path"), reach_of(context))
    return Result(found, str(found))


@commands.command(
    "file hash",
    summary="show the MD5 of a file's content",
    arguments=(Argument("path", PathType(), help="path of a file"),),
    permission=Permission.ADMIN,
    slow=True,
    examples=("file hash !blockchain_file",),
    related=("file test",),
)
def _file_hash(context: Context, call: Call) -> Result:
    found = hash_file(path_of(context, call, "path"), reach_of(context))
    return Result(found, found)


@commands.command(
    "file compress",
    summary="write a file compressed by gzip",
    arguments=(_SOURCE, _NEW),
    permission=Permission.ADMIN,
    slow=True,
    details="The source stays. Without a target the new file has its name and .gz.",
    examples=("file compress /data/a.json", "file compress /data/*.json /backup/"),
    related=("file decompress",),
)
def _file_compress(context: Context, call: Call) -> Result:
    return _each(context, call, compress_file, lambda name: f"{name}.gz")


@commands.command(
    "file decompress",
    summary="write what a gzip file holds",
    arguments=(_SOURCE, _NEW),
    permission=Permission.ADMIN,
    slow=True,
    details=(
        "The source stays. Without a target the new file has its name without .gz, or with\n"
        ".dat if it does not end so. At most 1 GiB is written."
    ),
    examples=("file decompress /data/a.json.gz", "file decompress /data/a.gz /data/b.json"),
    related=("file compress",),
)
def _file_decompress(context: Context, call: Call) -> Result:
    return _each(context, call, decompress_file, lambda name: _without(name, ".gz"))


@commands.command(
    "file encode",
    summary="write a file as base64 text",
    arguments=(_SOURCE, _NEW),
    permission=Permission.ADMIN,
    slow=True,
    details="The source stays. Without a target the new file has its name and .msg.",
    examples=("file encode /data/gate.png", "file encode /data/gate.png /data/gate.txt"),
    related=("file decode",),
)
def _file_encode(context: Context, call: Call) -> Result:
    return _each(context, call, encode_file, lambda name: f"{name}.msg")


@commands.command(
    "file decode",
    summary="write the bytes of base64 text",
    arguments=(_SOURCE, _NEW),
    permission=Permission.ADMIN,
    slow=True,
    details=(
        "The source stays. Without a target the new file has its name without .msg, or with\n"
        ".dat if it does not end so."
    ),
    examples=("file decode /data/gate.png.msg", "file decode /data/gate.txt /data/gate.png"),
    related=("file encode",),
)
def _file_decode(context: Context, call: Call) -> Result:
    return _each(context, call, decode_file, lambda name: _without(name, ".msg"))


# ------------------------------------------------------------------- parts


def _each(context: Context, call: Call, work: Work, renamed: Callable[[str], str] = str) -> Result:
    """Do the work for each source; the target of several is a folder.

    ``renamed`` gives the name in that folder, and beside the source without a target.
    """
    reach = reach_of(context)
    source = path_of(context, call, "source")
    target = path_of(context, call, "target") if call.arguments.get("target") else ""
    if "*" not in os.path.basename(source):
        work(source, landing(renamed(source), target or renamed(source), reach), reach)
        return Result({"files": 1})
    paths = matching_files(source, reach)
    if target and not reach.is_folder(target, Use.WRITE):
        raise FolderMissing(
            f"'{target}' is no folder, and several files go there",
            hint="write the path of a folder that exists",
        )
    for done, path in enumerate(paths):
        try:
            work(path, landing(renamed(path), target, reach) if target else renamed(path), reach)
        except EdgeLakeError as exc:
            exc.message = f"{exc.message} ({done} of {len(paths)} files were done before)"
            raise
    return Result({"files": len(paths)})


def _without(name: str, ending: str) -> str:
    stem = name.removesuffix(ending)
    return stem if stem and stem != name and not stem.endswith("/") else f"{name}.dat"
