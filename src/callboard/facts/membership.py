"""Facts of who is on the board: bots, channels, and who listens to what.

A subscription is an interval of positions: it begins where its fact stands (or at an earlier position that it
names) and ends where the fact that closes it stands. Both facts live in the bot's own stream, `bot:NAME`; a
channel's are in `channel:NAME`.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from callboard.facts import fact
from callboard.ids import BotName, ChannelName, Position, StreamId


def bot_stream(name: BotName) -> StreamId:
    """Return the stream that holds a bot's own history."""
    return StreamId(f"bot:{name}")


def channel_stream(name: ChannelName) -> StreamId:
    """Return the stream that holds a channel's own history."""
    return StreamId(f"channel:{name}")


def matches(pattern: str, channel: str) -> bool:
    """Tell whether a channel's name fits a pattern: `*` is one part of the name, `**` one or more."""
    if "*" not in pattern:  # most are plain names, and more than are kept compiled
        return pattern == channel
    return _compiled(pattern).fullmatch(channel) is not None


@lru_cache(maxsize=4_096)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"*": r"[^.]+", "**": r"[^.]+(?:\.[^.]+)*"}
    return re.compile(r"\.".join(parts.get(part, re.escape(part)) for part in pattern.split(".")))


@fact("bot_declared")
class BotDeclared(msgspec.Struct, frozen=True):
    """A bot of this name exists, or its description changed; messages to it are accepted from here on."""

    bot: BotName
    kind: str
    description: str = ""


@fact("bot_removed")
class BotRemoved(msgspec.Struct, frozen=True):
    """An operator took the bot off the board."""

    bot: BotName


@fact("channel_created")
class ChannelCreated(msgspec.Struct, frozen=True):
    """The channel exists from here on."""

    channel: ChannelName


@fact("channel_deleted")
class ChannelDeleted(msgspec.Struct, frozen=True):
    """The channel is gone; what was said on it stays in the log."""

    channel: ChannelName


@fact("subscribed")
class Subscribed(msgspec.Struct, frozen=True):
    """The bot listens to every channel that matches the pattern."""

    bot: BotName
    pattern: str
    since: Position | None = None
    """Where the interval begins; this fact's own position if nothing is named."""
    own: bool = False
    """Whether the bot also hears what it publishes itself."""
    declared: bool = False
    """Whether it stands in the bot's code, and ends when it no longer does."""


@fact("unsubscribed")
class Unsubscribed(msgspec.Struct, frozen=True):
    """The interval of this pattern ends here; what lies before it is still delivered."""

    bot: BotName
    pattern: str
