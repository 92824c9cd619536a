"""What is around items and rounds: the run whose step goes through them, as it was when that step began.

It is read from that run's log, up to the version that each of them names, and kept for all of them: a
thousand items that go on hold it once. Nothing of it is copied into their streams (docs/decisions/0016).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from callboard import run
from callboard.errors import StreamNotFound
from callboard.facts.events import run_stream
from callboard.ids import Version
from callboard.run import Around, RunState
from callboard.store.fold import PAGE
from callboard.store.port import Store

MOST_BYTES = 32 << 20
"""Of what is kept while no item or round uses it; the newest stays, however large it is."""


class Arounds:
    """Reads them, and keeps those that were used last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str, int], tuple[Around, int]] = OrderedDict()
        self._reading = asyncio.Lock()

    async def of(self, state: RunState) -> Around | None:
        """Return what is around a run; nothing, unless it is an item or a round."""
        origin = state.origin
        if origin is None or not origin.path:
            return None
        async with self._reading:  # whoever comes second finds it read
            return await self._find(origin.parent, origin.since)

    async def _find(self, id_: str, version: int) -> Around:
        found = self._kept.get((id_, version))
        if found is not None:
            self._kept.move_to_end((id_, version))
            return found[0]
        state = await self._read(id_, version)
        origin = state.origin
        outer = None
        if origin is not None and origin.path:
            outer = await self._find(origin.parent, origin.since)
        around = Around(run.seen(state, outer))
        self._kept[id_, version] = (around, state.bytes)
        while len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > MOST_BYTES:
            self._kept.popitem(last=False)
        return around

    async def _read(self, id_: str, version: int) -> RunState:
        state, at, stream = RunState(), Version(0), run_stream(id_)
        while at < version:
            page = await self._store.events(stream, at, min(PAGE, version - at))
            if not page:
                raise StreamNotFound(f"The run {id_} is gone, and with it what its items and rounds see.")
            for event in page:
                state = run.evolve(state, event.fact)
            at = page[-1].version
        return state
