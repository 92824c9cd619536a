"""The fact that a step made something that lives elsewhere, or laid hands on it: an issue, a payment."""

from __future__ import annotations

from datetime import datetime

import msgspec

from callboard.facts import fact
from callboard.outcome import Link


@fact("resources_linked")
class ResourcesLinked(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a step reports, a moment before it completes."""

    step: str
    at: datetime
    links: tuple[Link, ...]
    iteration: int = 1
    attempt: int = 1
