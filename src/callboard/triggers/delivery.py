"""What a webhook is sent, from raw bytes to a run: who sends it, what it says, and whether it came before.

Whoever sends does not know whether its delivery arrived, and sends again. So a delivery may carry an id, in
one of the headers of `signing.DELIVERIES`; the same id again gets the answer of the first, as long as keys
are kept. The id stands for one body: with another body it is refused, for one of the two would be lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from callboard.errors import RequestInvalid
from callboard.ids import PrincipalId
from callboard.triggers.firing import Fired, Shot
from callboard.triggers.judging import Refused
from callboard.triggers.setting import Kept
from callboard.triggers.signing import DELIVERIES, LONGEST_DELIVERY, check_sender
from callboard.triggers.triggers import Triggers


async def deliver(triggers: Triggers, path: str, headers: Mapping[str, str], body: bytes) -> Fired:
    """Fire the trigger behind a path; `headers` are by small letters, each once."""
    kept = triggers.webhook(path)
    check_sender(kept.entry.planned, headers, body)
    shot = _shot(kept, path, _read(body), _delivery(headers), body)
    return await triggers.firing.known(shot) or await triggers.firing.fire(shot)


def _shot(kept: Kept, path: str, event: Any, delivery: str | None, body: bytes) -> Shot:
    off = Refused("DISABLED", "An operator has turned this trigger off.", passing=True)
    return Shot(
        entry=kept.entry,
        event=event,
        envelope={"path": path, "delivery": delivery},
        principal=PrincipalId(f"webhook:{path}"),
        key=None if delivery is None else f"delivery:{delivery}",
        insists=True,
        digest="" if delivery is None else hashlib.sha256(body).hexdigest(),
        refused=None if kept.enabled else off,
    )


def _read(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise RequestInvalid(f"The body is not JSON: {fault}.", field="$") from None
    except RecursionError:
        raise RequestInvalid("The body is nested too deeply.", field="$") from None


def _delivery(headers: Mapping[str, str]) -> str | None:
    for name in DELIVERIES:
        given = headers.get(name)
        if given is not None:
            if not 0 < len(given) <= LONGEST_DELIVERY or not given.isprintable():
                said = f"{name} names a delivery with 1 to {LONGEST_DELIVERY} printable characters."
                raise RequestInvalid(said, field=name)
            return given
    return None
