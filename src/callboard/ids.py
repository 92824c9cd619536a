"""The types of every id and unit, and where new ids come from.

Ids are UUIDv7: they sort by the time at which they were made, so new rows land at the end of an index.
Randomness is a port like time: production draws from the system, a simulation hands in its own source.
"""

from __future__ import annotations

from typing import NewType, Protocol
from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7

Position = NewType("Position", int)
"""A place in the one log, given by the store at commit; never used twice."""

LogId = NewType("LogId", str)
"""The identity of one log; a restored backup gets a new one."""

StreamId = NewType("StreamId", str)
"""The name of one event stream, such as `run:0190…` or `bot:clerk`; unique per tenant."""

Version = NewType("Version", int)
"""The count of events in a stream: the first event makes it 1."""

Tenant = NewType("Tenant", str)
PrincipalId = NewType("PrincipalId", str)
BotName = NewType("BotName", str)
ChannelName = NewType("ChannelName", str)
EventId = NewType("EventId", UUID)
MessageId = NewType("MessageId", UUID)
WaitId = NewType("WaitId", UUID)
TimerId = NewType("TimerId", UUID)

DEFAULT_TENANT = Tenant("default")
LOCAL_USER = PrincipalId("local")
"""Who acts until identities exist: whoever can read the key in the data folder."""

SYSTEM = PrincipalId("system")
"""Callboard itself, for what it does by its own rules."""


class Ids(Protocol):
    """Where new ids come from."""

    def new(self) -> UUID:
        """Return an id that nobody has."""

    def text(self) -> str:
        """Return another one, as it is stored: facts are many, and nobody asks for their ids as such."""


class SystemIds:
    """UUIDv7 from the system's time and randomness."""

    def new(self) -> UUID:
        return uuid7()

    def text(self) -> str:
        return str(uuid_utils.uuid7())
