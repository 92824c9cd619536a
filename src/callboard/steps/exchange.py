"""A request and its answer, as steps see them, and the port to whatever carries them over the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec


class Request(msgspec.Struct, frozen=True):
    """What is asked."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


class Answer(msgspec.Struct, frozen=True):
    """What was answered."""

    status: int
    headers: dict[str, str]
    """Their names in small letters."""
    body: bytes


class Client(Protocol):
    """What makes requests; `client.py` has the real one."""

    async def exchange(self, asked: Request, most: int, well: Callable[[int], bool]) -> Answer:
        """Return what is answered in the end, in at most so many bytes.

        Redirects are followed, unless their status is `well`.
        """

    async def aclose(self) -> None:
        """Close all connections."""
