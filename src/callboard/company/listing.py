"""Who is on the board and how each is, as an operator sees it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from callboard.actors.children import ChildStatus
from callboard.company.board import Board
from callboard.ids import Position
from callboard.store.boardrows import Subscription


class Listing(msgspec.Struct, frozen=True):
    """One bot."""

    name: str
    kind: str
    description: str
    state: str
    """`running`, `backing_off`, `quarantined`, `absent` (no code is loaded for it) or `removed`."""
    since: Position
    removed: Position | None
    subscriptions: list[Subscription]
    last_error: str | None


def listed(board: Board, status: Sequence[ChildStatus]) -> list[Listing]:
    """Return all bots that were ever declared, by name."""
    children = {child.name: child for child in status}
    heard: dict[str, list[Subscription]] = {}
    for one in board.subscriptions.values():
        heard.setdefault(one.bot, []).append(one)
    found = []
    for name in sorted(board.bots):
        line, child = board.bots[name], children.get(name)
        state = "absent" if child is None else child.state.value
        found.append(
            Listing(
                name=line.name,
                kind=line.kind,
                description=line.description,
                state=state if line.removed is None else "removed",
                since=line.declared,
                removed=line.removed,
                subscriptions=heard.get(name, []),
                last_error=child.last_error if child else None,
            )
        )
    return found
