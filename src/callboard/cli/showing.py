"""How a run stands, in words for people: what several words of the command line print alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callboard.cli import terminal

if TYPE_CHECKING:
    from datetime import datetime

    from callboard.web.runs import RunDetail, RunRow


def summary(found: RunDetail) -> None:
    """Print how a run stands."""
    terminal.say(f"run {found.id} of {found.workflow} version {found.version} is {state(found)}")
    if found.queue is not None:
        key = f" with the concurrency key {short(found.concurrency_key)}" if found.concurrency_key else ""
        terminal.say(f"it is number {found.queue.place} in the queue{key}, behind run {found.queue.behind}")
        terminal.say(f"these go on: {', '.join(found.queue.holders)} (limit {found.queue.limit})")
    if found.error is not None:
        terminal.say(f"error: {found.error.message} [{found.error.code}]")
        if at := found.error.details.get("at"):
            terminal.say(f"at: {at}")
    if found.reason:
        terminal.say(f"reason: {found.reason}")
    if found.output is not None:
        terminal.say(f"output: {short(found.output)}")


def state(run: RunRow) -> str:
    """Return the state of a run for people."""
    more = run.paused_by or ("queued" if run.queued else "")
    return f"{run.status} ({more})" if more else run.status


def between(began: datetime, ended: datetime | None) -> str:
    """Return how long something took, or nothing if it has not ended."""
    return "" if ended is None else f"{(ended - began).total_seconds():.3f}s"


def short(value: object, most: int = 200) -> str:
    """Return a value on one line, and no more of it than one looks at."""
    import msgspec

    text = msgspec.json.encode(value).decode()
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def said(text: str, most: int = 200) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters: --json shows all)"
