"""How a stream becomes a state: the fold of its events, with snapshots so that a long one is quick to load.

    BALANCE = Fold(start=Balance, evolve=evolve, revision=1)
    state, version = await load(store, stream, BALANCE)

`evolve(state, event) -> state` is pure. A snapshot is the fold up to a version; it is only ever a shortcut.
One that does not decode, or that another revision of `evolve` made, is passed over with a warning and the
stream is folded from its beginning: the result is the same, and `snapshot + tail = full fold` is a tested
property.

Whoever appends to a stream asks `snapshot_due(before, after)` and puts the snapshot into the turn *after* the
one that reached it, or into any later one: it is state, not a fact, and may be late or missing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

import msgspec
import structlog

from callboard.errors import StreamNotFound
from callboard.facts import encode
from callboard.ids import DEFAULT_TENANT, StreamId, Tenant, Version
from callboard.store.boardrows import Event, Snapshot
from callboard.store.changes import SaveSnapshot
from callboard.store.port import Store

State = TypeVar("State", bound=msgspec.Struct)

EVERY = 50
"""A snapshot is due at every 50th version."""

PAGE = 500
"""How many events are read at once, so that no read keeps its snapshot of the database for long."""

_log = structlog.get_logger("callboard.store.fold")


class Fold(Generic[State]):
    """How one kind of stream is folded."""

    def __init__(
        self,
        *,
        start: type[State],
        evolve: Callable[[State, Event], State],
        revision: int,
    ) -> None:
        self.start = start
        self.evolve = evolve
        self.revision = revision
        """Grows whenever `evolve` or the state's shape changes, so that older snapshots are not believed."""

    def snapshot(self, stream: StreamId, version: Version, state: State, at: datetime) -> SaveSnapshot:
        """Return the change that saves a state as a snapshot."""
        return SaveSnapshot(stream, version, self.revision, encode(state), at)

    def believe(self, stream: StreamId, snapshot: Snapshot | None) -> tuple[State, Version]:
        """Return where to begin: the snapshot, or the start if it cannot be believed."""
        beginning = (self.start(), Version(0))
        if snapshot is None:
            return beginning
        if snapshot.revision != self.revision:
            _log.warning(
                "fold.snapshot_of_other_revision",
                stream=stream,
                version=snapshot.version,
                revision=snapshot.revision,
                wanted=self.revision,
            )
            return beginning
        try:
            return msgspec.json.decode(snapshot.data, type=self.start), snapshot.version
        except msgspec.DecodeError as error:
            _log.warning("fold.broken_snapshot", stream=stream, version=snapshot.version, error=str(error))
            return beginning


def snapshot_due(before: int, after: int) -> bool:
    """Tell whether an append from one version to another reached, or stepped over, a 50th."""
    return before // EVERY < after // EVERY


async def load(
    store: Store,
    stream: StreamId,
    fold: Fold[State],
    *,
    until: Version | None = None,
    tenant: Tenant = DEFAULT_TENANT,
) -> tuple[State, Version]:
    """Return the state of a stream and its version, now or as it was at a version of before.

    `StreamNotFound` if it has no events.
    """
    snapshot = await store.snapshot(stream, tenant=tenant)
    if snapshot is not None and until is not None and snapshot.version > until:
        snapshot = None
    state, version = fold.believe(stream, snapshot)
    while count := PAGE if until is None else min(PAGE, until - version):
        page = await store.events(stream, version, count, tenant=tenant)
        if not page:
            break
        for event in page:
            state = fold.evolve(state, event)
        version = page[-1].version
        if len(page) < count:  # nothing is behind it: asking again would be half of reading a short stream
            break
    if version == 0:
        msg = f"There is no stream {stream}."
        raise StreamNotFound(msg)
    return state, version
