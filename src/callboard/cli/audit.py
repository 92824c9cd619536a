"""The words that look back: `audit`, who said what and what became of it; `why`, what led to what."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

from callboard.cli import DONE, terminal
from callboard.cli.place import HERE, Place

if TYPE_CHECKING:
    from callboard.web.client import Client
    from callboard.web.talk import AuditPage, DeliveryRow, MessageRow
    from callboard.web.wire import LogRow

PAGE = 1_000
COLUMNS = ("position", "at", "sender", "recipient", "type", "body", "conversation", "cause", "id", "outcome")


@Parameter(name="*")
@dataclass(frozen=True)
class Filter:
    """Which messages are shown.

    Parameters
    ----------
    newest
        The newest first.
    type
        Only messages of this type.
    since
        Only later ones: a time such as 2030-01-31T08:00, or how long ago, such as 2h.
    until
        Only earlier ones, named the same way.
    outcome
        Only those of which this became.
    limit
        How many at most: 100 as text, all in the other formats, unless told.
    """

    newest: bool = False
    type: str | None = None
    since: str | None = None
    until: str | None = None
    outcome: Literal["waiting", "handled", "retrying", "dead", "refused"] | None = None
    limit: int | None = None

    def query(self) -> dict[str, str]:
        """Return it as the server takes it."""
        said = {"type": self.type, "outcome": self.outcome}
        said |= {"since": moment("--since", self.since), "until": moment("--until", self.until)}
        given = {name: value for name, value in said.items() if value is not None}
        return {"order": "newest" if self.newest else "oldest", **given}


ALL = Filter()


def audit(
    one: str | None = None,
    other: str | None = None,
    /,
    *,
    conversation: str | None = None,
    which: Filter = ALL,
    format: Literal["text", "jsonl", "csv"] = "text",  # noqa: A002 - it is what the flag is called
    place: Place = HERE,
) -> int:
    """Show what two said to each other, or what was said on '#CHANNEL', and what became of it.

    Parameters
    ----------
    one
        A bot (or `local`: the command line itself), or a channel with # before it, in quotes.
    other
        The bot at the other side.
    conversation
        Show this conversation instead.
    format
        text, jsonl (a JSON document for each message) or csv.
    """
    from callboard.errors import BadInput

    limit = which.limit
    if limit is not None and limit < 1:
        raise BadInput(f"--limit is {limit}: show at least 1.")
    read = _reader(one, other, conversation, which.query())
    if limit is None and (format == "text" or place.as_json):
        limit = 100
    with place.client() as client:
        if place.as_json:
            terminal.document(_whole(lambda after, count: read(client, after, count), limit or PAGE))
            return DONE
        rows = pages(lambda after, count: read(client, after, count), limit)
        if format == "jsonl":
            _lines(rows)
        elif format == "csv":
            _csv(rows)
        else:
            _table(list(rows))
    return DONE


def _reader(
    one: str | None, other: str | None, conversation: str | None, query: dict[str, str]
) -> Callable[[Client, str | None, int], AuditPage]:
    """Return what reads a page of what is asked for, or refuse what does not say it."""
    from callboard.errors import BadInput

    def page(after: str | None, count: int) -> dict[str, str]:
        return {**query, "limit": str(count), **({} if after is None else {"after": after})}

    if conversation is not None and one is None and other is None:
        query["conversation"] = conversation
        return lambda client, after, count: client.audit("/messages", page(after, count))
    if conversation is not None or one is None or (other is None) != one.startswith("#"):
        raise BadInput("Name two bots, or one channel as '#NAME' in quotes, or --conversation: one of these.")
    if other is None:
        channel = one.removeprefix("#")
        return lambda client, after, count: client.on_channel(channel, page(after, count))
    return lambda client, after, count: client.between(one, other, page(after, count))


def _whole(read: Callable[[str | None, int], AuditPage], limit: int) -> dict[str, object]:
    """Return so many messages, however many pages that takes, and the cursor behind them."""
    data: list[MessageRow] = []
    after = None
    while len(data) < limit:
        page = read(after, min(PAGE, limit - len(data)))
        data += page.data
        after = page.next
        if after is None:
            break
    return {"data": data, "next": after}


def pages(read: Callable[[str | None, int], AuditPage], limit: int | None) -> Iterator[MessageRow]:
    """Yield all there is, up to a limit, page by page."""
    after, left = None, limit
    while left is None or left > 0:
        page = read(after, PAGE if left is None else min(PAGE, left))
        yield from page.data
        after, left = page.next, None if left is None else left - len(page.data)
        if after is None:
            return


def moment(flag: str, text: str | None) -> str | None:
    """Return a time as the server takes it: what has no zone is of this machine's."""
    from datetime import UTC, datetime, timedelta

    from callboard.errors import BadInput
    from callboard.units import seconds

    if text is None:
        return None
    try:
        return (datetime.now(UTC) - timedelta(seconds=seconds(text))).isoformat()
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise BadInput(
            f"{flag} is {text!r}: write a time such as 2030-01-31T08:00, or how long ago, such as 2h."
        ) from None


# ── as it is shown ───────────────────────────────────────────────────────────────────────────────────────


def became(row: MessageRow) -> str:
    """Return in words what became of a message at each bot."""
    nobody = "a reply, for whoever asked" if row.to and row.reply_to else "nobody listened"
    return "; ".join(f"{one.bot}: {_outcome(one)}" for one in row.deliveries) or nobody


def _outcome(one: DeliveryRow) -> str:
    if one.outcome == "retrying":
        said = f"retrying (failed {one.attempts})"
    elif one.outcome == "dead" and one.attempts:
        said = f"dead (failed {one.attempts})"
    else:
        said = one.outcome
    return said if one.at is None else f"{said} {one.at:%Y-%m-%d %H:%M:%S}"


def _recipient(row: MessageRow) -> str:
    return f"#{row.channel}" if row.channel is not None else row.to or ""


def _table(rows: list[MessageRow]) -> None:
    shown = [
        (
            row.position,
            f"{row.at:%Y-%m-%d %H:%M:%S}",
            row.sender,
            _recipient(row),
            row.type,
            bytes(row.body).decode(),
            became(row),
        )
        for row in rows
    ]
    terminal.table(("position", "when", "from", "to", "type", "body", "what became of it"), shown)
    if not rows and sys.stdout.isatty():
        terminal.say("Nothing was said.")


def _lines(rows: Iterator[MessageRow]) -> None:
    import msgspec

    for row in rows:
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
    sys.stdout.flush()


def _csv(rows: Iterator[MessageRow]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        what = (row.position, row.at.isoformat(), row.sender, _recipient(row), row.type)
        body = bytes(row.body).decode()
        writer.writerow((*what, body, row.conversation, row.cause, row.id, became(row)))
    sys.stdout.flush()


# ── why ──────────────────────────────────────────────────────────────────────────────────────────────────


def why(what: str, /, *, effects: bool = False, place: Place = HERE) -> int:
    """Show what led to a message or another fact, step by step back to where it began.

    Parameters
    ----------
    what
        The id of a message, or a position of the log.
    effects
        Show instead all that it led to.
    """
    with place.client() as client:
        digits = what.isascii() and what.isdigit()
        position = int(what) if digits else int(client.message(what).position)
        rows = list(_effects(client, position)) if effects else client.causes(position).data
    if place.as_json:
        terminal.document({"data": rows})
        return DONE
    depths: dict[int, int] = {}
    for number, row in enumerate(rows):
        depths[row.position] = depths.get(row.cause or 0, -1) + 1 if effects else number
        terminal.lines("  " * depths[row.position] + _fact(row))
    if not rows:
        terminal.say("It led to nothing.")
    return DONE


def _effects(client: Client, position: int) -> Iterator[LogRow]:
    after = None
    while True:
        page = client.effects(position, after, PAGE)
        yield from page.data
        after = page.next
        if after is None:
            return


def _fact(row: LogRow) -> str:
    return (
        f"{row.position}  {row.at:%Y-%m-%d %H:%M:%S}  {row.kind} {row.type}  {row.subject}  "
        f"{bytes(row.data).decode()}"
    )
