"""What goes wrong under a run: a disk that fails, a version that moved, code that is broken or gone."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import msgspec
import pytest

from callboard import run as machine
from callboard.errors import StoreUnavailable
from callboard.facts.events import SignalReceived, run_stream
from callboard.planning.step import Action, action, marked
from callboard.run import commands
from callboard.stores.sqlite import SqliteStore, inline
from callboard.stores.sqlite.connection import Connection, P, Result, Work
from tests.faulty import Disk, disk_error, faulty_store
from tests.unit.runs.house import ANN, House, house


class Nothing(msgspec.Struct):
    """What the actions of these tests take."""


class Gate:
    """An action that waits until the test lets it go, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.open = asyncio.Event()

        @action("pass")
        async def pass_(_: Nothing) -> str:
            self.begun += 1
            await self.open.wait()
            return "through"

        found = marked(pass_)
        assert found is not None
        self.actions: dict[str, Action] = {"pass": found}


TEXT = """
name: w
steps:
  - {id: a, uses: python, with: {action: pass}}
  - {id: b, uses: core.echo}
"""
DELAYED = """
name: w
steps:
  - {id: a, uses: core.delay, with: {for: 60s}}
"""


async def test_a_disk_that_fails_for_a_while_loses_no_outcome(tmp_path: Path) -> None:
    gate, disk = Gate(), Disk()
    store = faulty_store(tmp_path / "db", disk)
    async with house(tmp_path / "db", TEXT, actions=gate.actions, store=store) as here:
        began = await here.start()
        await here.stage.until(lambda: gate.begun == 1)
        disk.break_at("BEGIN")
        with pytest.raises(StoreUnavailable):
            await here.runs.do(began.run, commands.Pause("ann"), principal=ANN)
        gate.open.set()
        await here.stage.until(lambda: disk.tried > 5)
        disk.mend()
        await here.comes_to(began.run)
        assert gate.begun == 1
        assert await here.attempts(began.run) == [("a", 1, "completed"), ("b", 1, "completed")]


class Unreadable:
    """A reader of the database that fails as long as a test wants it so."""

    def __init__(self, real: Connection) -> None:
        self._real = real
        self.broken = False
        self.tried = 0

    async def run(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        if self.broken:
            self.tried += 1
            raise disk_error()
        return await self._real.run(work, *args, **kwargs)

    async def close(self) -> None:
        await self._real.close()


async def test_a_timer_that_rings_while_the_disk_cannot_be_read_is_not_forgotten(tmp_path: Path) -> None:
    """It rings once: to fall over with it in hand would leave the run to sleep until the next start."""
    readers: list[Unreadable] = []

    async def connect(database: str, *, read_only: bool) -> Connection:
        real = await inline(database, read_only=read_only)
        if not read_only:
            return real
        readers.append(Unreadable(real))
        return readers[-1]

    store = SqliteStore(tmp_path / "db", connect=connect)
    async with house(tmp_path / "db", DELAYED, store=store) as here:
        began = await here.start()
        for one in readers:
            one.broken = True
        await here.stage.until(lambda: sum(one.tried for one in readers) > 5, within=1_000)
        for one in readers:
            one.broken = False

        async def ended() -> bool:
            return await here.status(began.run) == "completed"

        await here.stage.until(ended, within=1_000)


async def test_a_start_that_was_not_written_is_no_run(tmp_path: Path) -> None:
    gate, disk = Gate(), Disk()
    store = faulty_store(tmp_path / "db", disk)
    async with house(tmp_path / "db", TEXT, actions=gate.actions, store=store) as here:
        disk.break_at("BEGIN")
        with pytest.raises(StoreUnavailable):
            await here.start(request="one")
        disk.mend()
        await here.asleep()
        gate.open.set()
        began = await here.start(request="one")
        assert not began.repeated
        await here.comes_to(began.run)
        assert gate.begun == 1


async def test_a_run_whose_stream_moved_under_it_folds_it_anew(tmp_path: Path) -> None:
    gate = Gate()
    text = f"{TEXT}  - {{id: c, uses: wait.signal, with: {{signal: x}}}}\n"
    async with house(tmp_path / "db", text, actions=gate.actions) as here:
        began = await here.start()
        await here.stage.until(lambda: gate.begun == 1)
        turn = here.stage.company.services.journal.turn()
        turn.append(run_stream(began.run), "run", [SignalReceived("x", turn.at)], expected=None)
        await here.stage.company.services.journal.commit(turn)
        gate.open.set()
        await here.comes_to(began.run)
        assert gate.begun == 1


async def test_a_run_that_is_told_much_at_once_takes_it_all(tmp_path: Path) -> None:
    gate = Gate()
    async with house(tmp_path / "db", TEXT, actions=gate.actions) as here:
        began = await here.start()
        await here.stage.until(lambda: gate.begun == 1)
        give = [commands.Give("x", n, "ann") for n in range(300)]
        await asyncio.gather(*(here.runs.do(began.run, one, principal=ANN) for one in give))
        gate.open.set()
        await here.comes_to(began.run)
        facts = await here.facts(began.run)
        assert sorted(one.body for one in facts if isinstance(one, SignalReceived)) == list(range(300))


async def test_a_run_whose_action_is_gone_fails_and_says_so(tmp_path: Path) -> None:
    gate = Gate()
    text = TEXT.replace("- {id: a,", "- {id: z, uses: core.delay, with: {for: 1h}}\n  - {id: a,")
    async with house(tmp_path / "db", text, actions=gate.actions) as here:
        began = await here.start()
        await here.asleep()
        gate.actions.clear()
        await here.comes_to(began.run, "failed")
        error = (await here.facts(began.run))[-1].error
        assert (error.code, error.message) == ("NOT_FOUND", "There is no action called 'pass'.")


async def test_a_fan_of_many_steps_is_committed_in_pieces(tmp_path: Path) -> None:
    names = [f"s{n}" for n in range(900)]
    steps = "\n".join(f"  - {{id: {name}, uses: core.echo}}" for name in names)
    text = f"name: w\nsteps:\n  - {{id: a, uses: core.echo, next: [{', '.join(names)}]}}\n{steps}\n"
    async with house(tmp_path / "db", text) as here:
        began = await here.start()
        await here.comes_to(began.run)
        assert len(await here.events(began.run)) == 2 * 901 + 2


@pytest.mark.parametrize(
    "step",
    [
        "python, with: {action: pass, input: '{{ trigger }}'}",
        "core.fail, with: {message: '{{ trigger.text }}'}",
        "message.publish, with: {channel: said, type: it, body: '{{ trigger }}'}",
        "approval, with: {approvers: [ann], message: '{{ trigger.text }}', expires: 1h, default: approve}",
        "wait.message, with: {channel: said, if: item.body == trigger, timeout: 1h}",
    ],
)
async def test_a_fan_of_large_steps_is_committed_in_pieces(tmp_path: Path, step: str) -> None:
    """Together they are more than a turn holds; the run was stranded by that once."""
    names = [f"s{number}" for number in range(60)]
    steps = "\n".join(f"  - {{id: {name}, uses: {step}}}" for name in names)
    text = (
        "name: w\nmax_parallel: 100\non_failure: continue\nsteps:\n"
        f"  - {{id: d, uses: core.delay, with: {{for: 1h}}, next: [{', '.join(names)}]}}\n{steps}\n"
    )
    gate = Gate()
    gate.open.set()
    async with house(tmp_path / "db", text, actions=gate.actions) as here:
        began = await here.start(trigger={"text": "x" * 200_000})
        await here.stage.until(partial(_ended, here, began.run), within=1_000_000)
        assert len(await here.attempts(began.run)) == 61


async def _ended(here: House, run: str) -> bool:
    return await here.status(run) in {"completed", "failed"}


async def test_a_bug_in_the_machine_ends_the_actor_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, real = Gate(), machine.decide
    async with house(tmp_path / "db", TEXT, actions=gate.actions) as here:
        began = await here.start()
        await here.stage.until(lambda: gate.begun == 1)

        def broken(*args: object) -> object:
            monkeypatch.setattr(machine, "decide", real)
            raise RuntimeError("a bug")

        monkeypatch.setattr(machine, "decide", broken)
        gate.open.set()
        await here.comes_to(began.run)
        assert [one for one in await here.attempts(began.run) if one[0] == "a"] == [
            ("a", 1, "interrupted"),
            ("a", 2, "completed"),
        ]
