"""A real door on a real socket, before a desk that keeps its answers in memory."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from callboard.errors import CallboardError, PositionUnknown
from callboard.ids import DEFAULT_TENANT, LOCAL_USER, Position, PrincipalId, Tenant
from callboard.settings import Door as DoorConfig
from callboard.web import wire
from callboard.web.api.server import Door
from tests.unit.web.firing import MemoryTriggers
from tests.unit.web.reading import MemoryInbox
from tests.unit.web.running import MemoryFollowing, MemoryRuns, MemoryStory
from tests.unit.web.shelved import MemoryWorkflows
from tests.unit.web.talking import MemoryTalk
from tests.unit.web.templating import MemoryTemplates

KEY = "k" * 43
BODY_BYTES = 4096


@dataclass
class MemoryDesk:
    """What the door asks of the house, answered from memory."""

    status: Any = "ok"
    reason: str | None = None
    raises: Exception | None = None
    hang: asyncio.Event | None = None
    """When set, every answer waits for it."""
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def _asked(self, *what: object) -> None:
        self.asked.append(what)
        if self.hang is not None:
            await self.hang.wait()
        if self.raises is not None:
            raise self.raises

    @property
    def talk(self) -> MemoryTalk:
        return MemoryTalk(self._asked)

    @property
    def runs(self) -> MemoryRuns:
        return MemoryRuns(self._asked)

    @property
    def story(self) -> MemoryStory:
        return MemoryStory(self._asked)

    @property
    def following(self) -> MemoryFollowing:
        return MemoryFollowing(self._asked)

    @property
    def triggers(self) -> MemoryTriggers:
        return MemoryTriggers(self._asked)

    @property
    def templates(self) -> MemoryTemplates:
        return MemoryTemplates(self._asked)

    @property
    def workflows(self) -> MemoryWorkflows:
        return MemoryWorkflows(self._asked)

    @property
    def inbox(self) -> MemoryInbox:
        return MemoryInbox(self._asked)

    def health(self) -> wire.Health:
        if isinstance(self.raises, CallboardError | ValueError):
            raise self.raises
        return wire.Health(
            status=self.status,
            ready=self.status == "ok",
            reason=self.reason,
            version="1.2.3",
            log_id="log-1",
            head=2,
            started_at=datetime(2030, 1, 1, tzinfo=UTC),
        )

    async def doctor(self, *, full: bool) -> wire.DoctorReport:
        await self._asked("doctor", full)
        return wire.DoctorReport(
            ok=True, checks=[wire.Check(name="lock", ok=True, detail="held")], where="server"
        )

    async def backup(self, path: str, principal: PrincipalId) -> wire.BackupMade:
        await self._asked("backup", path, principal)
        return wire.BackupMade(path=path, bytes=1, log_id="log-1", head=2, checks="all")

    async def prune(self, *, dry_run: bool, principal: PrincipalId) -> wire.Pruned:
        await self._asked("prune", dry_run, principal)
        return wire.Pruned(messages=0, streams=0, events=0, bytes_before=1, bytes_after=1, dry_run=dry_run)

    async def log_page(self, after: str | None, limit: int, tenant: Tenant) -> wire.LogPage:
        await self._asked("log", after, limit, tenant)
        if after is not None and not after.endswith("@log-1"):
            raise PositionUnknown(
                "This cursor is of another log: read it from its beginning.", log_id="log-1"
            )
        row = wire.LogRow(
            position=Position(1),
            cause=None,
            kind="message",
            tenant=DEFAULT_TENANT,
            principal=LOCAL_USER,
            at=datetime(2030, 1, 1, tzinfo=UTC),
            subject="clerk",
            type="claim",
            data=msgspec.Raw(b'{"a": [1, null]}'),
        )
        return wire.LogPage(data=[row][:limit], next="1@log-1")


@dataclass
class Reply:
    """An answer as it came over the socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class Caller:
    """A caller that can send anything, also what no library would."""

    url: str

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host.strip("[]"), int(port)

    async def raw(self, *parts: bytes) -> Reply:
        """Send bytes as they are and read one answer."""
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            for part in parts:
                writer.write(part)
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").rstrip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            return Reply(int(first.split()[1]), headers, body)
        finally:
            writer.close()

    async def ask(
        self,
        verb: str,
        path: str,
        body: bytes | None = None,
        *,
        key: str | None = KEY,
        host: str = "127.0.0.1",
        extra: str = "",
    ) -> Reply:
        """Send one well-formed request and read its answer."""
        head = f"{verb} {path} HTTP/1.1\r\nHost: {host}\r\n{extra}"
        if key is not None:
            head += f"Authorization: Bearer {key}\r\n"
        if body is not None:
            head += f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n"
        return await self.raw(head.encode("latin-1") + b"\r\n", body or b"")


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
async def door(desk: MemoryDesk) -> AsyncIterator[Door]:
    opened = Door(desk, key=KEY, config=DoorConfig(port=0), body_bytes=BODY_BYTES)
    await opened.start()
    yield opened
    await opened.stop(0)


@pytest.fixture
def caller(door: Door) -> Caller:
    return Caller(door.url)


@pytest.fixture
def make_door() -> Callable[[MemoryDesk, int], Door]:
    """Return how to make a door that is not open yet."""
    return lambda desk, port: Door(desk, key=KEY, config=DoorConfig(port=port), body_bytes=BODY_BYTES)


@pytest.fixture
def taken_port() -> Any:
    """Return a port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]
