"""The phases of a long job: a bar that moves in each of them, or a line for each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from fourcasters_async.cli.terminal import console_of, say

Begin = Callable[[str, int | None], Callable[[int], None]]
"""Begins a phase of a name, of so many steps if that is known. It returns what tells of steps."""


@contextmanager
def phases_on(stream: TextIO) -> Iterator[Begin]:
    """Give what begins a phase of a job.

    A bar on a terminal, which is gone at the end; otherwise lines on standard error.
    """
    console = console_of(stream)
    # Nothing can be drawn over on a dumb one.
    if console is None or console.is_dumb_terminal:
        yield _say
        return
    from rich.progress import (  # noqa: PLC0415  # without a terminal it is not needed
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
    )
    from rich.table import Column  # noqa: PLC0415  # as above

    name = TextColumn("{task.description}", table_column=Column(ratio=2, overflow="fold"))
    bar = BarColumn(bar_width=None, table_column=Column(ratio=1))
    count = MofNCompleteColumn(table_column=Column(no_wrap=True))
    # It moves also while no step is done, and every terminal has its signs.
    moving = SpinnerColumn("line")
    shown = Progress(moving, name, bar, count, console=console, transient=True, expand=True)

    def begin(name: str, steps: int | None) -> Callable[[int], None]:
        for task in shown.task_ids:
            shown.remove_task(task)
        task = shown.add_task(name, total=steps)
        return lambda count: shown.update(task, completed=count)

    with shown:
        yield begin


def _say(name: str, _: int | None) -> Callable[[int], None]:
    say(name, err=True)
    return lambda _: None
