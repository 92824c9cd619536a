"""The words of those outside: `inbox`, to read and answer as one of them; `bots add` and `bots remove`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callboard.cli import DONE, terminal
from callboard.cli.board import bots, confirm, remark
from callboard.cli.place import HERE, Place

if TYPE_CHECKING:
    from callboard.web.client import Client
    from callboard.web.inbox import AckAnswer, InboxPage, InboxRow

PAGE = 1_000
FOLLOW = "30s"
"""How long one question of `--follow` waits; then it is asked again."""

At = Annotated[tuple[int, str] | None, Parameter(negative="")]
"""A position, and what is said of the message there."""

HEADS = ("position", "when", "from", "type", "body", "note")


def inbox(
    name: str,
    /,
    *,
    follow: bool = False,
    done: str | None = None,
    reply: At = None,
    fail: At = None,
    type: str = "text",  # noqa: A002 - it is what the flag is called
    limit: int = 100,
    take_over: bool = False,
    place: Place = HERE,
) -> int:
    """Show what waits for a person or an outside bot, in the order of handling; showing acknowledges nothing.

    Parameters
    ----------
    name
        Whose inbox.
    follow
        Stay, and show what comes.
    done
        Acknowledge everything up to this POSITION, or `all` that waits now.
    reply
        POSITION TEXT: reply to that message, and acknowledge up to it, in one turn; TEXT as for `send`.
    fail
        POSITION REASON: it could not be handled; all before it was. It comes again, five times in all.
    type
        The type of the reply.
    limit
        How many messages are shown at most, up to 1000.
    take_over
        Also when another reader has the inbox.
    """
    from callboard.errors import BadInput

    if sum((follow, done is not None, reply is not None, fail is not None)) > 1:
        raise BadInput("Say one of --follow, --done, --reply and --fail.")
    with place.client() as client:
        if follow:
            return _follow(client, name, take_over=take_over, place=place)
        if done is not None:
            return _done(client, name, done, take_over=take_over, place=place)
        if reply is not None:
            return _reply(client, name, *reply, type, place)
        if fail is not None:
            return _fail(client, name, *fail, place)
        page = _page(client, name, limit, take_over=take_over)
    if place.as_json:
        terminal.document(page)
        return DONE
    terminal.table(HEADS, map(_shown, page.data))
    _rest(page, limit)
    return DONE


def _page(client: Client, name: str, limit: int, *, take_over: bool) -> InboxPage:
    """Return so many messages: the server ends an answer early when they are large."""
    import msgspec

    page = last = client.read_inbox(name, limit=limit, take_over=take_over)
    rows = list(page.data)
    while last.data and len(rows) < limit:
        last = client.read_inbox(name, limit=limit - len(rows), after=last.next)
        rows += last.data
    return msgspec.structs.replace(page, data=rows, next=rows[-1].cursor if rows else page.next)


def _shown(row: InboxRow) -> Sequence[object]:
    notes = [f"on #{row.channel}"] if row.channel is not None else []
    notes += ["waits for the answer"] if row.asks else []
    notes += [f"attempt {row.attempt}"] if row.attempt > 1 else []
    body = bytes(row.body).decode()
    return row.position, f"{row.at:%Y-%m-%d %H:%M:%S}", row.sender, row.type, body, ", ".join(notes)


def _rest(page: InboxPage, limit: int) -> None:
    """Say to a person what the table does not."""
    if page.held_until is not None:
        remark(f"Nothing is shown before {page.held_until:%H:%M:%S} UTC: a message that failed is due then.")
    elif not page.data:
        remark("Nothing waits.")
    elif len(page.data) >= limit:
        remark("There may be more: --limit shows up to 1000.")


def _follow(client: Client, name: str, *, take_over: bool, place: Place) -> int:
    import msgspec

    after = None
    while True:
        page = client.read_inbox(name, wait=FOLLOW, after=after, take_over=take_over)
        take_over = False  # once: who takes over from us later shall have it
        if place.as_json:
            sys.stdout.writelines(msgspec.json.encode(row).decode() + "\n" for row in page.data)
            sys.stdout.flush()
        else:
            for row in page.data:
                terminal.lines("  ".join(str(cell) for cell in _shown(row) if cell != ""))
        after = page.next


def _waiting(client: Client, name: str, *, take_over: bool) -> Iterator[InboxRow]:
    after = None
    while True:
        page = client.read_inbox(name, limit=PAGE, after=after, take_over=take_over)
        yield from page.data
        if not page.data:
            return
        after = page.next


def _done(client: Client, name: str, up_to: str, *, take_over: bool, place: Place) -> int:
    from callboard.errors import BadInput
    from callboard.web.inbox import AckAnswer, AckRequest

    if up_to == "all":
        last = None
        for last in _waiting(client, name, take_over=take_over):  # noqa: B007 - the last one is what is looked for
            pass
        if last is None:
            return done_with(AckAnswer(settled=0), place)
        up_to = last.cursor
    elif not (up_to.partition("@")[0].isascii() and up_to.partition("@")[0].isdigit()):
        raise BadInput(
            f"--done is {up_to!r}: name a position that `callboard inbox {name}` shows, or say all."
        )
    return done_with(client.acknowledge(name, AckRequest(up_to=up_to)), place)


def _reply(client: Client, name: str, position: int, text: str, type_: str, place: Place) -> int:
    from callboard.cli.talk import body_of
    from callboard.web.inbox import AckMessage, AckRequest

    answer = AckMessage(type=type_, body=body_of(text))
    return done_with(client.acknowledge(name, AckRequest(up_to=position, messages=[answer])), place)


def _fail(client: Client, name: str, position: int, reason: str, place: Place) -> int:
    from callboard.errors import BadInput
    from callboard.web.inbox import AckFailed, AckRequest

    if not reason:
        raise BadInput("--fail takes a position and the reason, which is not empty.")
    request = AckRequest(up_to=position, failed=AckFailed(reason=reason))
    return done_with(client.acknowledge(name, request), place)


def done_with(answer: AckAnswer, place: Place) -> int:
    """Say what came of an acknowledgement."""
    text = "it was settled before: nothing was done" if answer.repeated else f"{answer.settled} settled"
    text += f", sent {answer.sent[0].id}" if answer.sent else ""
    if answer.dead:
        text += ", and the one that failed is a dead letter"
    elif answer.next_try_at is not None:
        text += f", and the one that failed is due again at {answer.next_try_at:%H:%M:%S} UTC"
    return confirm(place, answer, text)


# ── who is there ─────────────────────────────────────────────────────────────────────────────────────────


@bots.command(name="add")
def add_bot(
    name: str,
    /,
    *,
    kind: str = "outside",
    description: str = "",
    subscribe: Annotated[list[str] | None, Parameter(negative="")] = None,
    place: Place = HERE,
) -> int:
    """See that there is a bot outside, or a person.

    Parameters
    ----------
    name
        What it is called.
    kind
        outside (a program that reads over HTTP) or person.
    description
        What it is for.
    subscribe
        A channel or pattern that it hears; more than one if said again. Without it that stays as it is.
    """
    from callboard.web.inbox import DeclareRequest

    heard = None if subscribe is None else [pattern.removeprefix("#") for pattern in subscribe]
    request = DeclareRequest(name=name, kind=kind, description=description, subscribes=heard)
    with place.client() as client:
        made = client.declare(request)
    return confirm(place, made, f"{made.name} is on the board, a bot of the kind {made.kind}")


@bots.command(name="remove")
def remove_bot(name: str, /, *, place: Place = HERE) -> int:
    """Take a bot off the board; what still waits for it becomes dead letters."""
    with place.client() as client:
        gone = client.remove(name)
    left = f"; {gone.dead_letters} messages that waited are dead letters" if gone.dead_letters else ""
    return confirm(place, gone, f"{gone.name} is off the board{left}")
