"""A run as it goes: a live tree of its steps on a terminal, a line for each change elsewhere.

The facts of the run are followed as they come, and put together here into a picture of it. Leaving does not
end the run. A run that is left `crashed` does not move until somebody acts, so it is not watched further.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from callboard.cli import DONE, FAILED, terminal

if TYPE_CHECKING:
    from callboard.web.client import Client
    from callboard.web.runs import EventRow, RunDetail

PATIENCE = 20.0
"""Seconds for which a server may be away, such as for a restart, until watching ends."""
_SIGNS = {
    "running": ("●", "cyan"),
    "waiting": ("◌", "yellow"),
    "waiting_approval": ("?", "bold yellow"),
    "completed": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "cancelled": ("x", "dim"),
    "interrupted": ("!", "yellow"),
}
_MOVES = {
    "step_activated": "running",
    "attempt_started": "running",
    "attempt_retried": "failed",
    "step_waiting": "waiting",
    "approval_asked": "waiting_approval",
    "step_completed": "completed",
    "step_failed": "failed",
}
"""What a fact makes of the attempt that it is about."""
_STATES = {
    "workflow_paused": "paused",
    "workflow_resumed": "running",
    "workflow_crashed": "crashed",
    "workflow_completed": "completed",
    "workflow_failed": "failed",
    "workflow_cancelled": "cancelled",
    "reopened": "running",
}


class Attempt:
    """A step's newest attempt, as it is shown."""

    def __init__(self, step: str, at: datetime) -> None:
        self.step = step
        self.status = "running"
        self.iteration = self.attempt = 1
        self.began, self.ended = at, at
        self.why = ""

    @property
    def over(self) -> bool:
        return self.status not in {"running", "waiting", "waiting_approval"}


class Picture:
    """A run, as far as its facts have come."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.workflow = ""
        self.status = "pending"
        self.paused_by = ""
        self.steps: dict[str, Attempt] = {}

    def take(self, fact: EventRow) -> list[Attempt]:
        """Take in a fact, and return the attempts that it has changed."""
        data: dict[str, Any] = fact.data
        if fact.type == "workflow_started":
            self.workflow = f"{data['workflow']} {data['version']}"
            taken = (data.get("forked") or {}).get("taken", ())
            return [self._taken(one) for one in taken if one["status"] != "skipped"]
        if fact.type in _STATES:
            self.status, self.paused_by = _STATES[fact.type], data.get("by") or ""
        elif self.status == "pending" and fact.type in _MOVES:
            self.status = "running"
        return [self._moved(fact, one, status) for one, status in _changes(fact)]

    def _taken(self, told: dict[str, Any]) -> Attempt:
        """Take in a step that was done in the run from which this one was forked."""
        one = self.steps[told["step"]] = Attempt(told["step"], datetime.fromisoformat(told["at"]))
        one.status, one.iteration = told["status"], told.get("iteration", 1)
        one.attempt, one.why = told.get("attempt", 0), "  taken over"
        return one

    def _moved(self, fact: EventRow, told: dict[str, Any], status: str) -> Attempt:
        at, name = datetime.fromisoformat(fact.data["at"]), told["step"]
        if status == "running" or name not in self.steps:
            self.steps[name] = Attempt(name, at)
        one = self.steps[name]
        one.status, one.ended = status, at
        one.iteration, one.attempt = told.get("iteration", one.iteration), told.get("attempt", one.attempt)
        error = told.get("error")
        one.why = f"  {terminal.harmless(error['message'])} [{error['code']}]" if error else ""
        return one


def _changes(fact: EventRow) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield what a fact says of attempts, and what it makes of each."""
    if fact.type in _MOVES:
        yield fact.data, _MOVES[fact.type]
    for one in fact.data.get("cancelled", ()) if fact.type == "step_cancelled" else ():
        yield one, "cancelled"
    for one in fact.data.get("interrupted", ()) if fact.type == "workflow_recovered" else ():
        yield one, "interrupted"


def watch_run(client: Client, run: str, *, as_json: bool) -> int:
    """Show a run until it has ended, and return the exit code of its end."""
    if as_json:
        _follow(client, run, lambda _picture, _changed: None)
    elif terminal.coloured(sys.stdout):
        _draw(client, run)
    else:
        _tell(client, run)
    found = client.read_run(run, include=["steps"] if as_json else [])
    _show(found, as_json=as_json)
    return DONE if found.status == "completed" else FAILED


def _show(found: RunDetail, *, as_json: bool) -> None:
    from callboard.cli.showing import summary

    if as_json:
        terminal.document(found)
    else:
        summary(found)


def _follow(client: Client, run: str, show: Callable[[Picture, list[Attempt]], object]) -> None:
    from callboard.web.follower import follow_run

    picture = Picture(run)
    for fact in follow_run(client, run, patience=PATIENCE):
        show(picture, picture.take(fact))
        if picture.status == "crashed" and client.read_run(run).status == "crashed":
            return


def _tell(client: Client, run: str) -> None:
    """Print a line for each change."""
    paused = ""

    def show(picture: Picture, changed: list[Attempt]) -> None:
        nonlocal paused
        for one in changed:
            terminal.say(f"{one.step}  attempt {one.attempt}  {one.status}{one.why}")
        if picture.paused_by != paused:
            paused = picture.paused_by
            if paused:
                terminal.say(f"run {run} is paused ({paused})")

    _follow(client, run, show)


def _draw(client: Client, run: str) -> None:
    """Draw the steps as a tree, ten times a second."""
    from rich.console import Console
    from rich.live import Live

    shown = Picture(run)

    def show(picture: Picture, _changed: list[Attempt]) -> None:
        nonlocal shown
        shown = picture

    with Live(console=Console(), refresh_per_second=10, get_renderable=lambda: _tree(shown)):
        _follow(client, run, show)


def _tree(picture: Picture) -> Any:  # noqa: ANN401 - rich is imported where it is needed
    from rich.text import Text
    from rich.tree import Tree

    from callboard.cli.showing import between

    state = f"{picture.status} ({picture.paused_by})" if picture.paused_by else picture.status
    tree = Tree(Text(f"{picture.workflow} {picture.run}: {state}", style="bold"))
    for one in list(picture.steps.values()):  # at once: it is drawn by a thread of its own
        sign, style = _SIGNS.get(one.status, (" ", ""))
        attempts = f", attempt {one.attempt}" if one.attempt > 1 else ""
        rounds = f", round {one.iteration}" if one.iteration > 1 else ""
        took = between(one.began, one.ended) if one.over else ""
        line = Text(f"{sign} ", style=style)
        line.append(terminal.harmless(one.step))
        line.append(f"  {one.status}{attempts}{rounds} {took}{one.why}", style="dim")
        tree.add(line)
    return tree
