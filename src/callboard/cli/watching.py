"""A run as it goes: a live tree of its steps on a terminal, a line for each change elsewhere.

The server is asked again and again, more seldom the longer nothing happens. Leaving does not end the run.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from callboard.cli import DONE, FAILED, terminal

if TYPE_CHECKING:
    from callboard.web.client import Client
    from callboard.web.runs import RunDetail, StepRow

ENDED = {"completed", "failed", "cancelled", "crashed"}
FIRST, FACTOR, LONGEST = 0.05, 1.5, 1.0
_SIGNS = {
    "running": ("●", "cyan"),
    "waiting": ("◌", "yellow"),
    "waiting_approval": ("?", "bold yellow"),
    "completed": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "cancelled": ("x", "dim"),
    "interrupted": ("!", "yellow"),
}


def watch_run(client: Client, run: str, *, as_json: bool) -> int:
    """Show a run until it has ended, and return the exit code of its end."""
    if as_json:
        found = _until_the_end(client, run, lambda _: None)
        terminal.document(found)
    elif terminal.coloured(sys.stdout):
        found = _drawn(client, run)
    else:
        found = _told(client, run)
    return DONE if found.status == "completed" else FAILED


def _until_the_end(client: Client, run: str, show: Any) -> RunDetail:  # noqa: ANN401 - a callback
    pause, before = FIRST, None
    while True:
        found = client.read_run(run, include=["steps"])
        show(found)
        if found.status in ENDED:
            return found
        now = (found.status, [(one.step, one.attempt, one.status) for one in found.steps or []])
        pause = FIRST if now != before else min(LONGEST, pause * FACTOR)
        before = now
        time.sleep(pause)


def _told(client: Client, run: str) -> RunDetail:
    """Print a line for each change."""
    seen: dict[tuple[str, int, int], str] = {}
    paused = ""

    def show(found: RunDetail) -> None:
        nonlocal paused
        for one in found.steps or []:
            key = (one.step, one.iteration, one.attempt)
            if seen.get(key) != one.status:
                seen[key] = one.status
                terminal.say(f"{one.step}  attempt {one.attempt}  {one.status}{_why(one)}")
        if found.paused_by != paused:
            paused = found.paused_by
            if paused:
                terminal.say(f"run {found.id} is paused ({paused})")

    found = _until_the_end(client, run, show)
    from callboard.cli.runs import summary

    summary(found)
    return found


def _drawn(client: Client, run: str) -> RunDetail:
    """Draw the steps as a tree, and again whenever something has changed."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from callboard.cli.runs import summary

    with Live(Text("…"), console=Console(), refresh_per_second=10) as live:
        found = _until_the_end(client, run, lambda found: live.update(_tree(found)))
    summary(found)
    return found


def _tree(found: RunDetail) -> Any:  # noqa: ANN401 - rich is imported where it is needed
    from rich.text import Text
    from rich.tree import Tree

    from callboard.cli.runs import between, state

    tree = Tree(Text(f"{found.workflow} {found.id}: {state(found)}", style="bold"))
    last: dict[str, StepRow] = {one.step: one for one in found.steps or []}
    for one in last.values():
        sign, style = _SIGNS.get(one.status, (" ", ""))
        attempts = f", attempt {one.attempt}" if one.attempt > 1 else ""
        rounds = f", round {one.iteration}" if one.iteration > 1 else ""
        took = between(one.started_at, one.ended_at)
        line = Text(f"{sign} ", style=style)
        line.append(terminal.harmless(one.step))
        line.append(f"  {one.status}{attempts}{rounds} {took}{_why(one)}", style="dim")
        tree.add(line)
    return tree


def _why(step: StepRow) -> str:
    if step.error is None:
        return ""
    return f"  {terminal.harmless(step.error.message)} [{step.error.code}]"
