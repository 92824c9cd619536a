"""What becomes true together with a run: that its trigger fired, and whatever follows from that.

A schedule fires once for each of its times, because the run, the fact that says so and the timer of the next
time are one turn. Whoever starts a run for such a reason hands this in with it, and gives the run its id.
"""

from __future__ import annotations

import msgspec

from callboard.ids import StreamId
from callboard.store.changes import Change, Ref
from callboard.store.turn import Turn


class Occasion(msgspec.Struct, frozen=True):
    """Facts of another stream, and row changes, for the turn that begins a run."""

    run: str
    stream: StreamId
    kind: str
    facts: tuple[msgspec.Struct, ...]
    changes: tuple[Change, ...] = ()

    def into(self, turn: Turn) -> None:
        """Put all of it into the turn, after the facts of the run; `Ref(0)` is the run's first."""
        turn.append(self.stream, self.kind, self.facts, expected=None, cause=Ref(0))
        for change in self.changes:
            turn.change(change)
