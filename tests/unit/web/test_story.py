"""The story of a run over the door: its pages, its family, how it stood, forks, and following it."""

from __future__ import annotations

import asyncio

import pytest

from callboard.settings import Door as DoorConfig
from callboard.web import wire
from callboard.web.api.server import Door
from tests.unit.web.conftest import KEY, Caller, MemoryDesk
from tests.unit.web.running import ENDED, RUN

RUNS = f"{wire.API}/runs"
PATHS = ["steps", "events", "decisions", "tree", "at/7", "stream"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_bad_id_is_400_and_an_unknown_run_404_also_for_what_belongs_to_it(
    caller: Caller, path: str
) -> None:
    bad = await caller.ask("GET", f"{RUNS}/seven/{path}")
    assert (bad.status, bad.json["code"]) == (400, "REQUEST_INVALID")
    unknown = await caller.ask("GET", f"{RUNS}/{ENDED}/{path}")
    assert (unknown.status, unknown.json["code"]) == (404, "NOT_FOUND")


async def test_pages_go_on_from_a_cursor_or_a_position(caller: Caller, desk: MemoryDesk) -> None:
    page = await caller.ask("GET", f"{RUNS}/{RUN}/steps?after=7@log-1&limit=3")
    assert (page.status, page.json) == (200, {"data": [], "next": "9@log-1"})
    assert (desk.asked[-1][2].after, desk.asked[-1][2].limit) == ("7@log-1", 3)
    assert (await caller.ask("GET", f"{RUNS}/{RUN}/events?after=7")).status == 200


@pytest.mark.parametrize(
    "path",
    ["steps?after=x", "events?limit=0", "decisions?after=-1", "at/x", "at/-1", "at/1.5", "stream?after=@"],
)
async def test_a_bad_place_is_refused(caller: Caller, path: str) -> None:
    reply = await caller.ask("GET", f"{RUNS}/{RUN}/{path}")
    assert (reply.status, reply.json["code"]) == (400, "REQUEST_INVALID")


async def test_a_fork_names_its_step_and_may_have_another_input(caller: Caller, desk: MemoryDesk) -> None:
    reply = await caller.ask("POST", f"{RUNS}/{RUN}/fork", b'{"from": "b"}')
    assert (reply.status, reply.json["run_id"]) == (202, ENDED)
    same = desk.asked[-1][2].input
    await caller.ask("POST", f"{RUNS}/{RUN}/fork", b'{"from": "b", "input": null}')
    assert desk.asked[-1][2].input is None
    assert same is not None, "no input is another thing than the input null"
    assert (await caller.ask("POST", f"{RUNS}/{ENDED}/fork", b'{"from": "b"}')).status == 409
    for body in (b"{}", b'{"from": ""}', b'{"step": "b"}', b'{"from": "b", "imput": 1}'):
        assert (await caller.ask("POST", f"{RUNS}/{RUN}/fork", body)).status == 400


async def read_stream(door: Door, path: str, extra: str = "") -> tuple[str, str]:
    """Return the head and the body of a stream that ends by itself."""
    host, _, port = door.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"GET {wire.API}/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{extra}"
    writer.write(f"{head}Authorization: Bearer {KEY}\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    first, _, rest = answer.partition("\r\n\r\n")
    return first, rest


async def test_a_run_is_followed_to_its_end_and_then_the_stream_closes(door: Door) -> None:
    head, body = await read_stream(door, f"runs/{RUN}/stream", "Last-Event-ID: 1@log-1\r\n")
    assert head.startswith("HTTP/1.1 200")
    assert "id: 1@" not in body
    assert "id: 2@log-1\ndata: " in body
    assert "id: 3@log-1\nevent: end\ndata: " in body
    assert body.endswith("0\r\n\r\n"), "it was closed in order"


async def test_who_has_read_the_end_is_told_that_there_is_nothing_more(door: Door) -> None:
    head, body = await read_stream(door, f"runs/{RUN}/stream?after=1", "Last-Event-ID: 3\r\n")
    assert head.startswith("HTTP/1.1 204")
    assert body == ""


async def test_a_last_event_that_is_none_is_refused(door: Door) -> None:
    head, _ = await read_stream(door, f"runs/{RUN}/stream", "Last-Event-ID: 3; drop\r\n")
    assert head.startswith("HTTP/1.1 400")


async def test_so_many_streams_and_no_more(desk: MemoryDesk) -> None:
    door = Door(desk, key=KEY, config=DoorConfig(port=0, streams=2))
    await door.start()
    host, _, port = door.url.removeprefix("http://").rpartition(":")
    ask = f"GET {wire.API}/log/stream HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    held = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(ask.encode())
        assert b"200" in await reader.readline()
        held.append(writer)
    caller = Caller(door.url)
    refused = await caller.ask("GET", f"{wire.API}/log/stream")
    assert (refused.status, refused.json["code"]) == (503, "OVERLOADED")
    assert "door.streams" in refused.json["detail"]
    held[0].close()

    async def there_is_room() -> bool:
        head, _ = await read_stream(door, f"runs/{RUN}/stream")
        return head.startswith("HTTP/1.1 200")

    async with asyncio.timeout(10):
        while not await there_is_room():
            await asyncio.sleep(0)
    for _ in range(5):  # neither one that ended nor one that was refused keeps its seat
        assert await there_is_room()
        assert (await caller.ask("GET", f"{RUNS}/{ENDED}/stream")).status == 404
        assert (await read_stream(door, f"runs/{RUN}/stream?after=3"))[0].startswith("HTTP/1.1 204")
    await door.stop(0)
    held[1].close()
