"""The exchanges and the runs on Restate: its server with its log in a folder, its Python SDK under hypercorn.

A run is a call of a service whose handler has ten `ctx.run` steps, each of which the server has in its log
before the next one begins. A recipient is a virtual object, whose memory is a number in its state; a message
is a call of its handler, which answers when it is done and that is in the log. A publication is 100 calls.

What was chosen in its favour:

* The server's own defaults; its write-ahead logs are synced in them (`rocksdb-disable-wal-fsync` is false).
* The handlers speak HTTP/2 with the server, both ways at once, as its documentation advises.
* The caller is aiohttp with as many connections as there are in flight; the SDK's own client is slower.

The server is a process of its own, as it is everywhere: the two share the cores of the machine.
"""

# ruff: noqa: INP001 - the programs of this folder are started one by one, each in an environment of its own
from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

# The project checks types without the peers; with them, these are no errors, hence the `unused-ignore`.
import restate  # type: ignore[import-not-found, unused-ignore]
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from exchange import (
    STEPS,
    TEXT,
    Exchange,
    Figures,
    Options,
    SendAndWait,
    check,
    check_run,
    measure,
    options,
    show,
)
from hypercorn.asyncio import serve  # type: ignore[import-not-found, unused-ignore]
from hypercorn.config import Config  # type: ignore[import-not-found, unused-ignore]

SERVER = "node_modules/.bin/restate-server"
PATIENCE_SECONDS = 300.0
START_SECONDS = 60.0
COUNT = "count"
KEYS = itertools.count()

flow = restate.Service("flow")
recipient = restate.VirtualObject("recipient")


async def add(given: dict[str, Any]) -> dict[str, Any]:
    """Add 1."""
    return {**given, "number": given["number"] + 1}


@flow.handler()  # type: ignore[untyped-decorator, unused-ignore]
async def run(ctx: restate.Context, given: dict[str, Any]) -> dict[str, Any]:
    """Add 1 ten times."""
    for step in range(STEPS):
        given = await ctx.run_typed(f"s{step}", add, given=given)
    return given


@recipient.handler()  # type: ignore[untyped-decorator, unused-ignore]
async def receive(ctx: restate.ObjectContext, message: dict[str, Any]) -> int:  # noqa: ARG001 - it is counted
    """Count a message; the count is remembered."""
    count: int = await ctx.get(COUNT, type_hint=int) or 0
    ctx.set(COUNT, count + 1)
    return count + 1


class Cast:
    """Makes what an exchange needs, over one session."""

    def __init__(self, session: ClientSession, where: str) -> None:
        self._session = session
        self._where = where

    @asynccontextmanager
    async def __call__(self, exchange: Exchange) -> AsyncIterator[SendAndWait]:
        if exchange.steps:
            yield self._one_run
            return
        keys = [f"recipient-{next(KEYS)}" for _ in range(exchange.recipients)]
        numbers = itertools.count()
        counts: dict[str, int] = {}
        sent = 0

        async def deliver(key: str, number: int) -> None:
            nonlocal sent
            count = await self._call(f"recipient/{key}/receive", {"number": number, "text": TEXT})
            counts[key] = max(count, counts.get(key, 0))
            sent += 1

        async def send(lane: int) -> None:
            await deliver(keys[exchange.recipient(lane)], next(numbers))

        async def publish(_: int) -> None:
            number = next(numbers)
            await asyncio.gather(*(deliver(key, number) for key in keys))

        yield publish if exchange.deliveries > 1 else send
        check(sent, sum(counts.values()))

    async def _one_run(self, _: int) -> None:
        ended = await self._call("flow/run", {"number": 0, "text": TEXT})
        check_run(ended["number"])

    async def _call(self, path: str, body: object) -> Any:  # noqa: ANN401 - whatever the handler gives
        async with self._session.post(f"{self._where}/{path}", json=body) as answer:
            answer.raise_for_status()
            return await answer.json()


@asynccontextmanager
async def server(folder: Path, ports: dict[str, int]) -> AsyncIterator[None]:
    """Run a server with its log in this folder."""
    here = "127.0.0.1"
    environment = os.environ | {
        "RESTATE_BASE_DIR": str(folder),
        "RESTATE_CLUSTER_NAME": "exchange",
        "RESTATE_LOG_FILTER": "error",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_ADDRESS": f"{here}:{ports['node']}",
        "RESTATE_ADVERTISED_ADDRESS": f"http://{here}:{ports['node']}/",
        "RESTATE_INGRESS__BIND_ADDRESS": f"{here}:{ports['ingress']}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"{here}:{ports['admin']}",
    }
    program = Path(sys.prefix) / SERVER
    process = await asyncio.create_subprocess_exec(
        str(program), env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def free_ports(*names: str) -> dict[str, int]:
    """Return a port for each that nobody listens on."""
    found = [socket.socket() for _ in names]
    for one in found:
        one.bind(("127.0.0.1", 0))
    ports = {name: one.getsockname()[1] for name, one in zip(names, found, strict=True)}
    for one in found:
        one.close()
    return ports


async def register(session: ClientSession, ports: dict[str, int]) -> None:
    """Tell the server where the handlers are, as soon as it listens."""
    until = asyncio.get_running_loop().time() + START_SECONDS
    body = {"uri": f"http://127.0.0.1:{ports['handlers']}"}
    while True:
        try:
            async with session.post(f"http://127.0.0.1:{ports['admin']}/deployments", json=body) as answer:
                answer.raise_for_status()
                return
        except ClientError:
            if asyncio.get_running_loop().time() > until:
                raise
            await asyncio.sleep(0.2)


async def measured(told: Options, folder: Path) -> dict[str, Figures]:
    """Start the server and the handlers, and run the exchanges."""
    ports = free_ports("node", "ingress", "admin", "handlers")
    config, over = Config(), asyncio.Event()
    config.bind = [f"127.0.0.1:{ports['handlers']}"]
    config.h2_max_concurrent_streams = 10_000
    async with server(folder, ports):
        handlers = asyncio.create_task(
            serve(restate.app([flow, recipient]), config, shutdown_trigger=over.wait)
        )
        try:
            timeout = ClientTimeout(total=PATIENCE_SECONDS)
            async with ClientSession(connector=TCPConnector(limit=0), timeout=timeout) as session:
                await register(session, ports)
                cast = Cast(session, f"http://127.0.0.1:{ports['ingress']}")
                return {
                    one.name: await measure(cast, one, told.seconds, told.rounds) for one in told.exchanges
                }
        finally:
            over.set()
            await handlers


def main() -> None:
    """Measure, and print the figures."""
    told = options("The message exchanges as calls of Restate's virtual objects, and runs of its services.")
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="exchange-restate-") as folder:
        found = asyncio.run(measured(told, Path(folder)))
    package = Path(sys.prefix) / "node_modules/@restatedev/restate-server/package.json"
    number = json.loads(package.read_text(encoding="utf-8"))["version"]
    how = "RocksDB, write-ahead logs synced (the server's defaults)"
    show("restate", f"{version('restate-sdk')}, server {number}", how, found)


if __name__ == "__main__":
    main()
