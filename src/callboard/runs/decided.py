"""Approvals that were decided: who did it, for whoever comes a moment later.

The wait of an approval goes with the decision that ends it, and its id cannot be led back to the step. So the
turn of that decision keeps a key under the id, which points at the fact; it outlives the run as all keys do.
"""

from __future__ import annotations

import msgspec

from callboard.facts.events import ApprovalDecided
from callboard.ids import WaitId
from callboard.store.changes import KeepKey, Place
from callboard.store.port import Store

KEYS = "approval"
"""The scope of the ids of approvals."""


def remembered(approval: WaitId, decision: Place) -> KeepKey:
    """Return what keeps a decision findable by the id of what it decided."""
    return KeepKey(KEYS, str(approval), "", decision)


async def decided(store: Store, approval: WaitId) -> str | None:
    """Say who decided an approval, and how; None where nobody has."""
    known = await store.key(KEYS, str(approval))
    entry = None if known is None else await store.entry(known.about)
    if entry is None:
        return None
    fact = msgspec.json.decode(entry.data, type=ApprovalDecided)
    word = fact.answer.get("decision") if isinstance(fact.answer, dict) else None
    return f"{fact.by} {'rejected' if word == 'reject' else 'approved'} it"
