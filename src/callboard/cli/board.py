"""The words about who is on the board: `channel …`, `bots …` and `dead …`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cyclopts import App

from callboard.cli import DONE, FAILED, terminal
from callboard.cli.place import HERE, Place

if TYPE_CHECKING:
    from callboard.reloading import Reloaded as HouseReloaded
    from callboard.web.client import Client
    from callboard.web.talk import BotAnswer, DeadLetterRow, ReaderRow, Reloaded, SubscriptionRow

channel = App(name="channel", help="Channels: list, show, create, delete, subscribe, unsubscribe.")
bots = App(name="bots", help="Bots: list, show, add, remove, restart, reload.")
dead = App(name="dead", help="Dead letters, the messages that were given up: list, show, redrive, purge.")

PAGE = 1_000


def confirm(place: Place, answer: object, text: str) -> int:
    """Say that something was done."""
    if place.as_json:
        terminal.document(answer)
    else:
        terminal.say(text)
    return DONE


def remark(text: str) -> None:
    """Say to a person that a list is empty; a program sees it."""
    if sys.stdout.isatty():
        terminal.say(text)


# ── channels ─────────────────────────────────────────────────────────────────────────────────────────────


@channel.command(name="list")
def list_channels(*, place: Place = HERE) -> int:
    """List all channels."""
    with place.client() as client:
        found = client.channels()
    if place.as_json:
        terminal.document(found)
        return DONE
    rows = [(one.name, one.created, ", ".join(sub.bot for sub in one.subscribers)) for one in found.data]
    terminal.table(("channel", "since", "who listens"), rows)
    if not rows:
        remark("There is no channel yet: the first word on one makes it.")
    return DONE


@channel.command(name="show")
def show_channel(name: str, /, *, place: Place = HERE) -> int:
    """Show a channel, and who listens to it."""
    with place.client() as client:
        found = client.channel(name.removeprefix("#"))
    if place.as_json:
        terminal.document(found)
        return DONE
    terminal.say(f"#{found.name}, since position {found.created}")
    _listeners(found.subscribers)
    return DONE


def _listeners(found: list[SubscriptionRow]) -> None:
    rows = [
        (
            one.bot,
            one.pattern,
            one.since,
            "yes" if one.own else "no",
            "declared" if one.declared else "added",
        )
        for one in found
    ]
    terminal.table(("bot", "listens to", "since", "hears itself", "how"), rows)


@channel.command(name="create")
def create_channel(name: str, /, *, place: Place = HERE) -> int:
    """See that there is a channel."""
    with place.client() as client:
        made = client.create_channel(name.removeprefix("#"))
    return confirm(place, made, f"#{made.name} is made" if made.made else f"#{made.name} was there before")


@channel.command(name="delete")
def delete_channel(name: str, /, *, force: bool = False, place: Place = HERE) -> int:
    """Take a channel away; what was said on it stays in the log.

    Parameters
    ----------
    name
        Which channel.
    force
        Also when bots listen to it.
    """
    plain = name.removeprefix("#")
    with place.client() as client:
        done = client.delete_channel(plain, force=force)
    return confirm(place, done, f"#{plain} is deleted")


@channel.command
def subscribe(
    pattern: str, bot: str, /, *, since: int | None = None, own: bool = False, place: Place = HERE
) -> int:
    """Have BOT listen to a channel, or to all that fit PATTERN.

    Parameters
    ----------
    pattern
        A channel, or a pattern: * is one part of the name, ** one or more.
    bot
        Who shall listen.
    since
        It also hears what was said above this position.
    own
        It also hears what it says itself.
    """
    plain = pattern.removeprefix("#")
    with place.client() as client:
        done = client.subscribe(bot, plain, since=since, own=own)
    return confirm(place, done, f"{bot} listens to {plain}")


@channel.command
def unsubscribe(pattern: str, bot: str, /, *, place: Place = HERE) -> int:
    """Have BOT listen no longer; what was said before is still delivered.

    Parameters
    ----------
    pattern
        The channel or pattern, as it was subscribed.
    bot
        Who shall listen no longer.
    """
    plain = pattern.removeprefix("#")
    with place.client() as client:
        done = client.unsubscribe(bot, plain)
    return confirm(place, done, f"{bot} no longer listens to {plain}")


# ── bots ─────────────────────────────────────────────────────────────────────────────────────────────────


@bots.command(name="list")
def list_bots(*, place: Place = HERE) -> int:
    """List all bots that were ever declared."""
    with place.client() as client:
        found = client.bots()
    if place.as_json:
        terminal.document(found)
        return DONE
    terminal.table(
        ("bot", "kind", "state", "listens to", "description"),
        [(one.name, one.kind, one.state, _patterns(one), _first(one.description)) for one in found.data],
    )
    if not found.data:
        remark("There is no bot yet: put a class in a file of the folder bots/.")
    return DONE


def _patterns(one: BotAnswer) -> str:
    return ", ".join(each.pattern for each in one.subscriptions)


def _first(text: str) -> str:
    return text.strip().partition("\n")[0]


@bots.command(name="show")
def show_bot(name: str, /, *, place: Place = HERE) -> int:
    """Show a bot: its state, what waits for it, what it handles and listens to, who reads its inbox."""
    from callboard.units import duration_text

    with place.client() as client:
        found = client.bot(name)
    if place.as_json:
        terminal.document(found)
        return DONE
    removed = [f"  removed      at position {found.removed}"] if found.removed is not None else []
    error = [f"  last error   {found.last_error}"] if found.last_error else []
    about = [f"  handles      {', '.join(found.handles)}"] if found.handles else []
    about += [
        f"  schedule     {name}, every {duration_text(pause)}" for name, pause in found.schedules.items()
    ]
    about += [f"  read by      {_reads(found.reader)}"] if found.reader is not None else []
    terminal.say(
        found.name,
        f"  kind         {found.kind}",
        f"  state        {found.state}",
        f"  waiting      {found.waiting:,}",
        f"  since        position {found.since}",
        *removed,
        *error,
        *about,
        f"  description  {_first(found.description)}",
    )
    if found.subscriptions:
        _listeners(found.subscriptions)
    return DONE


def _reads(one: ReaderRow) -> str:
    who = "a reader without a name" if one.name is None else one.name
    return f"{who}, since {one.since:%Y-%m-%d %H:%M:%S} UTC{'' if one.reading else ', between two reads'}"


@bots.command(name="reload")
def reload_bots(*, place: Place = HERE) -> int:
    """Load bots, actions and workflow files again: what they change is replaced, all else is left alone.

    That is bots/ with the tables [bots.NAME], actions/, and, unless workflows.auto_publish is off,
    config/workflows and config/templates. What a file with a fault defines goes on as it was, and the exit
    code is 1.
    """
    with place.client() as client:
        done = client.reload()
    if place.as_json:
        terminal.document(done)
    else:
        terminal.say(*reloaded(done))
    return FAILED if done.faults else DONE


def reloaded(done: Reloaded | HouseReloaded) -> list[str]:
    """Say what became of everything, a line for each kind of change, as the server and the house say it."""
    actions = done.actions
    words = (
        ("started", done.started),
        ("replaced", done.replaced),
        ("absent, as their code is gone", done.stopped),
        ("left alone", done.kept),
        ("actions added", actions.added),
        ("actions replaced", actions.replaced),
        ("actions gone", actions.gone),
        ("actions left alone", actions.kept),
        ("workflows published", [f"{one.name} {one.version}" for one in done.workflows or ()]),
        ("templates published", [f"{one.name} {one.version}" for one in done.templates or ()]),
    )
    lines = [f"  {word}: {', '.join(names)}" for word, names in words if names]
    what = "Bots and actions" if done.workflows is None else "Bots, actions and workflow files"
    faults = [f"  {one.file}{f':{one.line}' if one.line else ''}: {one.message}" for one in done.faults]
    return [f"{what} are loaded again.", *lines, *faults]


@bots.command(name="restart")
def restart_bot(name: str, /, *, place: Place = HERE) -> int:
    """Let a bot work again that was set aside."""
    with place.client() as client:
        found = client.restart(name)
    return confirm(place, found, f"{found.name} is {found.state}")


# ── dead letters ─────────────────────────────────────────────────────────────────────────────────────────


@dead.command(name="list")
def list_dead(*, bot: str | None = None, limit: int = 100, place: Place = HERE) -> int:
    """List the dead letters that were not redriven, oldest first.

    Parameters
    ----------
    bot
        Only those of this bot.
    limit
        How many at most.
    """
    from callboard.errors import BadInput

    if limit < 1:
        raise BadInput(f"--limit is {limit}: show at least 1.")
    with place.client() as client:
        found, more = _page(client, bot, limit)
    if place.as_json:
        terminal.document({"data": found, "next": more})
        return DONE
    terminal.table(
        ("id", "bot", "reason", "from", "to", "type", "attempts", "error"),
        [
            (one.id, one.bot, one.reason, one.sender, one.recipient, one.type, one.attempts, one.error)
            for one in found
        ],
    )
    if not found:
        remark("There is no dead letter.")
    elif more is not None:
        remark("There are more: --limit says how many are shown.")
    return DONE


def _page(client: Client, bot: str | None, limit: int) -> tuple[list[DeadLetterRow], str | None]:
    """Return so many dead letters, however many pages that takes, and the cursor behind them."""
    found: list[DeadLetterRow] = []
    after = None
    while len(found) < limit:
        page = client.dead_letters(bot, after, min(PAGE, limit - len(found)))
        found += page.data
        after = page.next
        if after is None:
            break
    return found, after


@dead.command(name="show")
def show_dead(letter: int, /, *, place: Place = HERE) -> int:
    """Show a dead letter with its whole story."""
    import msgspec

    with place.client() as client:
        found = client.dead_letter(letter)
    if place.as_json:
        terminal.document(found)
        return DONE
    story = msgspec.json.decode(bytes(found.story))
    trace = story.get("traceback") if isinstance(story, dict) else None
    message = "was never sent" if found.message is None else f"position {found.message}"
    terminal.say(
        f"{found.id}: {found.reason} at {found.bot}, {found.at:%Y-%m-%d %H:%M:%S}",
        f"  message    {message}, {found.type} from {found.sender} to {found.recipient}",
        f"  attempts   {found.attempts}",
        f"  error      {found.error}",
    )
    if isinstance(trace, str):
        terminal.lines(trace)
    return DONE


@dead.command
def redrive(
    letter: int | None = None,
    /,
    *,
    all: bool = False,  # noqa: A002 - it is what the flag is called
    bot: str | None = None,
    place: Place = HERE,
) -> int:
    """Have a dead letter tried again with fresh attempts, or all of them.

    Parameters
    ----------
    letter
        Which one.
    all
        All that `callboard dead list` shows.
    bot
        With --all: only those of this bot.
    """
    from callboard.errors import BadInput, CallboardError

    if (letter is None) != all or (bot is not None and not all):
        raise BadInput(
            "Name one dead letter, or say --all (and --bot with it): `callboard dead list` shows them."
        )
    redriven: list[int] = []
    failed: list[int] = []
    with place.client() as client:
        if letter is not None:
            return confirm(place, client.redrive(letter), f"{letter} is tried again")
        for one in list(_letters(client, bot)):
            try:
                client.redrive(one.id)
                redriven.append(one.id)
            except CallboardError as error:
                terminal.complain(error, as_json=place.as_json)
                failed.append(one.id)
    confirm(
        place,
        {"redriven": redriven, "failed": failed},
        f"{len(redriven)} tried again" + (f", {len(failed)} could not be" if failed else ""),
    )
    return FAILED if failed else DONE


def _letters(client: Client, bot: str | None) -> Iterator[DeadLetterRow]:
    after = None
    while True:
        page = client.dead_letters(bot, after, PAGE)
        yield from page.data
        after = page.next
        if after is None:
            return


@dead.command
def purge(letter: int, /, *, place: Place = HERE) -> int:
    """Take a dead letter off the list; it stays in the log."""
    with place.client() as client:
        done = client.purge(letter)
    return confirm(place, done, f"{letter} is off the list")
