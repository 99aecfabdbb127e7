"""How far a run is: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["show_progress"]

_LINES = 10
"""Plain lines for a part whose number of steps is known."""


@contextmanager
def show_progress(
    console: Console, name: str, steps: int | None
) -> Iterator[Callable[[str], None]]:
    """Give a function that takes a line before each step.

    Parameters
    ----------
    console : Console
    name : str
        Of the part.
    steps : int or None
        How many lines will come; ``None`` when nobody knows.
    """
    if not console.is_terminal:
        yield _plain_lines(console, name, steps)
        return
    columns = [
        TextColumn(f"[bold]{name}"),
        BarColumn(bar_width=30),
        *([MofNCompleteColumn()] if steps else []),
        TimeElapsedColumn(),
        *([TextColumn("left"), TimeRemainingColumn()] if steps else []),
        TextColumn("{task.description}", markup=False),
    ]
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=steps)
        begun = False

        def step(line: str) -> None:
            # The line says what begins now: what was before it is done.
            nonlocal begun
            progress.update(task, description=line, advance=int(begun))
            begun = True

        yield step


def _plain_lines(console: Console, name: str, steps: int | None) -> Callable[[str], None]:
    done = 0
    every = max(1, (steps or 0) // _LINES)

    def step(line: str) -> None:
        nonlocal done
        if done % every == 0:
            of = f"{done}/{steps} " if steps else ""
            console.print(f"{name} {of}{line}", markup=False, highlight=False)
        done += 1

    return step
