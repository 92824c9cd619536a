"""One event of a stream, before it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Answered = TypeVar("Answered")


@dataclass(frozen=True, slots=True)
class Event(Generic[Answered]):
    """One event of a stream."""

    answer: Answered
    id: str
    """From here the stream goes on when it is opened again."""
    name: str = ""
    """Of its kind, where there are several; `end` is the one with which what is followed has ended."""
