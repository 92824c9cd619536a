"""Agreed: a stream changes as was decided from how things stand, or it is decided again.

    done, facts = await agreed(store, journal, stream, KIND, decide, principal=principal, tenant=tenant)

Whoever is slower finds what the faster one did, and decides again from there; nobody overwrites anybody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from callboard.actors.journal import Journal
from callboard.errors import ConcurrencyConflict, StreamNotFound
from callboard.ids import PrincipalId, StreamId, Tenant, Version
from callboard.store.port import Store

T = TypeVar("T")
Fact = TypeVar("Fact", bound=msgspec.Struct)


async def agreed(
    store: Store,
    journal: Journal,
    stream: StreamId,
    kind: str,
    decide: Callable[[], Awaitable[tuple[T, Sequence[Fact]]]],
    *,
    principal: PrincipalId,
    tenant: Tenant,
) -> tuple[T, Sequence[Fact]]:
    """Write down what was decided; return what came of it, and the facts that say so, if any are needed."""
    while True:
        try:
            expected = (await store.stream(stream, tenant=tenant)).version
        except StreamNotFound:
            expected = Version(0)
        done, facts = await decide()
        if not facts:
            return done, facts
        turn = journal.turn(principal=principal, tenant=tenant)
        turn.append(stream, kind, facts, expected=expected)
        try:
            await journal.commit(turn)
        except ConcurrencyConflict:
            continue
        return done, facts
