"""Failing system calls of child processes, and what a power cut would leave of their files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Call", "Faults", "build"]

_SOURCE = Path(__file__).with_name("library.c")


def build(folder: Path) -> Path:
    """Compile the library that is loaded into the processes."""
    library = folder / "faults.so"
    compiler = (sysconfig.get_config_var("CC") or "gcc").split()
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    flags += ["-Wno-implicit-fallthrough", "-Wno-nonnull-compare", "-pthread"]
    subprocess.run([*compiler, *flags, "-o", library, _SOURCE, "-ldl"], check=True)
    return library


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a process made.

    Attributes
    ----------
    kind : str
        ``create``, ``open`` (for writing), ``read``, ``write``, ``sync``, ``truncate``,
        ``rename``, ``unlink`` or ``mkdir``.
    path : str
        In the folder; of a rename the new one.
    source : str
        The old path of a rename.
    """

    kind: str
    path: str
    source: str = ""


class Faults:
    """What fails in one process, and what it did.

    Parameters
    ----------
    library : Path
        From `build`.
    folder : Path
        Only calls on what lies in it are looked at.
    work : Path
        An own folder, elsewhere.
    disk : bool
        Keep what a power cut would leave; the process has to be a new one after `begin`.
    """

    def __init__(self, library: Path, folder: Path, work: Path, *, disk: bool = False) -> None:
        work.mkdir(parents=True)
        self.folder = folder
        self._rules = work / "rules"
        self._trace = work / "trace"
        self._disk = work / "disk"
        self.env = {
            "LD_PRELOAD": str(library),
            "FAULTS_FOLDER": str(folder),
            "FAULTS_RULES": str(self._rules),
            "FAULTS_TRACE": str(self._trace),
            "FAULTS_DISK": str(self._disk) if disk else "",
        }

    def let(self, *rules: str) -> None:
        """Have calls fail from now on: ``<kind> <pattern> <first> <last> <action>``.

        Kinds are those of `Call` and ``any``. Actions: ``die-before``, ``die-within`` (a
        write puts half), ``die-after``, ``short``, ``ENOSPC``, ``EDQUOT``, ``EROFS``, ``EIO``.
        """
        new = self._rules.with_suffix(".new")
        new.write_text("".join(rule + "\n" for rule in rules))
        new.replace(self._rules)

    def mend(self) -> None:
        """Have no call fail any more."""
        self.let()

    def calls(self) -> list[Call]:
        """Return the calls since the last `forget`, in order."""
        if not self._trace.exists():
            return []
        return [Call(*line.split(" ")) for line in self._trace.read_text().splitlines()]

    def forget(self) -> None:
        """Forget the calls so far."""
        self._trace.write_text("")

    # ---------------------------------------------------------- power cuts

    def begin(self) -> None:
        """Take everything as it is now for safely on the disk."""
        if not self.env["FAULTS_DISK"]:
            return
        shutil.rmtree(self._disk, ignore_errors=True)
        (self._disk / "inodes").mkdir(parents=True)
        (self._disk / "tree").mkdir()
        for path in sorted(self.folder.rglob("*")):
            name = self._disk / "tree" / path.relative_to(self.folder)
            if path.is_dir():
                name.mkdir()
            else:
                content = self._disk / "inodes" / f"{path.stat().st_ino}-0"
                shutil.copyfile(path, content)
                os.link(content, name)

    def left(self, mode: str) -> dict[Path, bytes]:
        """Return the files that a power cut may have left; the process is dead.

        Parameters
        ----------
        mode : str
            ``nothing``: of all that was not synchronised nothing is left. ``names``:
            new names and renames are there, contents are not. ``contents``: the reverse.
        """
        live: dict[Path, Path] = {}
        for path in self.folder.rglob("*"):
            if path.is_file():
                live[path.relative_to(self.folder)] = self._content_of(path)
        if mode == "names":
            return {name: content.read_bytes() for name, content in live.items()}
        tree = self._disk / "tree"
        kept = {path.relative_to(tree): path for path in tree.rglob("*") if path.is_file()}
        if mode == "contents":
            written = {content.stat().st_ino: self.folder / name for name, content in live.items()}
            kept = {name: written.get(path.stat().st_ino, path) for name, path in kept.items()}
        return {name: path.read_bytes() for name, path in kept.items()}

    def put(self, files: dict[Path, bytes]) -> None:
        """Have these files in the folder, and no others."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                path.unlink()
        for name, data in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(data)

    def _content_of(self, path: Path) -> Path:
        """Return what was synchronised of a file that is there."""
        made = (self._disk / "inodes").glob(f"{path.stat().st_ino}-*")
        return max(made, key=lambda found: int(found.name.rpartition("-")[2]))
