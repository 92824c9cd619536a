"""Simulation for authors: their own bots and workflows, under seeds, in virtual time, through crashes.

    def test_no_ticket_is_lost() -> None:
        simulate(Desk, Specialist, play=day, promise=every_ticket_is_answered, seeds=range(50))

    async def day(house: House) -> None:
        for thing in ("lamp", "door", "gate"):
            await house.send("desk", Ticket(thing), key=thing)

    def every_ticket_is_answered(house: House) -> None:
        assert len(house.said("desk", "specialist", type="answer")) == 3

A seed decides everything: in which order tasks wake, how long the disk takes, and where the process dies. It
has some lives on one database, each but the last ended by a death before or after a commit, or at any moment.
`play` begins anew in each life, as a caller does who does not know what of his came through: what shall
happen once is given a key. In the last life it comes to its end, all becomes quiet, and then the promise must
hold, as well as what the house promises of itself (`callboard doctor`). `always` is looked at after each
death, too, on what lies on the disk then.

Before all seeds there is a rehearsal: one life in which nothing goes wrong. It says whether promise and play
suit each other at all, and how many commits there are to die at.

What a bot keeps outside its memory, in a global variable, outlives these deaths, as the world outside does.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import tempfile
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

import structlog

from callboard.authoring.bot import Bot, Settings
from callboard.authoring.handling import seconds
from callboard.errors import BadInput
from callboard.stores.sqlite import SqliteStore
from callboard.testing.crashing import Death, MortalDisk
from callboard.testing.house import Cast, House, Web
from callboard.testing.looking import Looking
from callboard.testing.world import SimulatedClock, Violation, make_loop

SEEDS = range(20)
VARIABLE = "CALLBOARD_SEED"
"""In the environment, it names the one seed that is played."""
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
"""Memory that looks like a disk, where there is one: to a simulation a real fsync says nothing."""

Play = Callable[[House], Awaitable[object]]
Promise = Callable[[House], object]
Always = Callable[[Looking], object]


class Show(NamedTuple):
    """What is played, and what must hold."""

    cast: Cast
    play: Play
    promise: Promise
    always: Always | None
    longest: float


class Ending(NamedTuple):
    """How a life ended."""

    died: bool
    commits: int
    at: float

    def told(self, number: int, fate: str) -> str:
        how = f"died {fate}" if self.died else "ended well"
        return f"life {number} {how}, {self.at:.1f} s after the beginning"


def simulate(  # noqa: PLR0913 - each is a choice of the author's
    *bots: type[Bot],
    play: Play,
    promise: Promise,
    always: Always | None = None,
    actions: Sequence[Callable[..., Any]] = (),
    workflows: Sequence[str | Path] = (),
    project: str | Path | None = None,
    settings: Mapping[type[Bot], Settings] = MappingProxyType({}),
    web: Web | None = None,
    seeds: Iterable[int] = SEEDS,
    longest: str = "30d",
) -> None:
    """Play each seed to its end; raise `Violation` at the first that breaks a promise: how to play it again.

    `project` is a folder with `bots/`, `actions/` and `config/`, all of which is on. No life may last longer
    than `longest`, in its own time.
    """
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - it is there for those who make loops
        raise BadInput("A simulation has a loop of its own: call `simulate` from a plain function.")
    folder = None if project is None else Path(project)
    if folder is not None and not folder.is_dir():
        raise BadInput(f"There is no folder {folder} to take a project from.")
    cast = Cast(bots, settings, tuple(actions), tuple(workflows), folder, web)
    show = Show(cast, play, promise, always, seconds("longest", longest))
    with _quiet():
        commits, lasted = _rehearse(show)
        for seed in _chosen(seeds):
            _play_seed(show, seed, commits, lasted)


def _chosen(seeds: Iterable[int]) -> Iterable[int]:
    """Return the seeds, or the one that the environment names."""
    named = os.environ.get(VARIABLE)
    if not named:
        return seeds
    try:
        return [int(named)]
    except ValueError:
        raise BadInput(f"{VARIABLE} is {named!r}: it takes the number of one seed.") from None


def _rehearse(show: Show) -> tuple[int, float]:
    """Play once with nothing going wrong; return how many commits that took, and how long."""
    with _folder() as folder:
        life = _Life(show, folder, "rehearsal", 0.0, unclean=False)
        try:
            ended = life.live(None, last=True)
        except Exception as error:
            if not life.opened:  # what shall be played cannot be: that breaks no promise
                raise
            text = f"Even with no crash at all: {_said(error)}"
            raise Violation(text) from error
    return ended.commits, ended.at


def _play_seed(show: Show, seed: int, commits: int, lasted: float) -> None:
    dice, lived = Random(f"fate {seed}"), list[str]()  # noqa: S311 - a seed decides all
    now, unclean = 0.0, False
    deaths = dice.choice((1, 1, 2, 3))
    with _folder() as folder:
        try:
            for number in range(1, deaths + 2):
                last = number > deaths
                fate = None if last else _fate(dice, commits, lasted)
                life = _Life(show, folder, f"{seed}/{number}", now, unclean=unclean)
                lived.append(f"life {number} was to die {fate}" if fate else f"life {number} was the last")
                ended = life.live(fate, last=last)
                lived[-1] = ended.told(number, str(fate) if isinstance(fate, Death) else "at that moment")
                now, unclean = ended.at + 1, ended.died
                if ended.died and show.always is not None:
                    _look(show.always, folder, now)
        except Exception as error:
            text = (
                f"Seed {seed}: {_said(error)}\n  " + ";\n  ".join(lived) + f".\n"
                f"Again: {VARIABLE}={seed} in the environment of the test, or seeds=[{seed}]."
            )
            raise Violation(text) from error


def _fate(dice: Random, commits: int, lasted: float) -> Death | float:
    """Return at which commit a life ends, or after how many seconds."""
    if dice.random() < 0.25:  # noqa: PLR2004 - one time in four
        return dice.uniform(0.0, min(lasted, 60.0))
    return Death(dice.choice(("before", "after")), dice.randint(1, max(commits, 1)))


class _Life:
    """From a start of the process to its end."""

    def __init__(self, show: Show, folder: Path, name: str, now: float, *, unclean: bool) -> None:
        self._show = show
        self._folder = folder
        self._dice = Random(name)  # noqa: S311 - a seed decides all
        self._unclean = unclean
        self._now = now
        self.opened = False
        self._loop = make_loop(Random(f"{name}/loop"), starts_at=now)  # noqa: S311 - as above

    def live(self, fate: Death | float | None, *, last: bool) -> Ending:
        """Live until something ends it."""
        disk = MortalDisk(self._loop, self._dice, fate if isinstance(fate, Death) else None)
        if isinstance(fate, float):
            self._loop.call_later(fate, self._loop.die)
        parts = (self._show.cast, self._folder, disk, self._loop, self._dice)
        house = House(*parts, unclean=self._unclean)
        try:
            ended = self._loop.run(self._days(house, last=last), until=self._now + self._show.longest)
        finally:
            self._loop.die()  # whatever ended it, nothing of it writes any more
            disk.abandon()
        return Ending(not ended, disk.commits, self._loop.time())

    async def _days(self, house: House, *, last: bool) -> None:
        await house.open()
        self.opened = True
        await self._show.play(house)
        await house.quiet()
        if last:
            await _ask(self._show.promise, house)
            for finding in await house.store.check(full=True):
                if not finding.ok:
                    raise Violation(f"callboard doctor: {finding.name}: {finding.detail}")
        await house.close()


class _Remains(Looking):
    """What lies on the disk after a death."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store


def _look(always: Always, folder: Path, now: float) -> None:
    """Let the author look at what a death has left, a copy of which is opened for that."""
    with _folder() as beside:
        for file in folder.glob("callboard.db*"):
            (beside / file.name).write_bytes(file.read_bytes())
        loop = make_loop(Random(0), starts_at=now)  # noqa: S311 - there is nothing to decide
        disk = MortalDisk(loop, Random(0))  # noqa: S311 - as above
        store = SqliteStore(beside / "callboard.db", connect=disk.connect, clock=SimulatedClock(loop))

        async def look() -> None:
            with disk.hurry():
                await store.open()
                await _ask(always, _Remains(store))
                await store.close()

        try:
            loop.run(look(), until=now + 1)
        finally:
            disk.abandon()


async def _ask(promise: Callable[[Any], object], about: Looking) -> None:
    """Call a promise, which may be a plain function or a coroutine."""
    answer = promise(about)
    if inspect.isawaitable(answer):
        await answer


def _said(error: Exception) -> str:
    """Return what an error says, and the line that said it: an assertion may have no words of its own."""
    if isinstance(error, Violation):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    words = f": {error}" if str(error) else ""
    return f"{type(error).__name__}{words} ({Path(place.filename).name}:{place.lineno}: {place.line})"


@contextmanager
def _folder() -> Iterator[Path]:
    where = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="callboard-simulation-", dir=where) as folder:
        yield Path(folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """Say nothing of what the house logs: deaths are its daily bread here."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(_logger: object, _name: str, _event: object) -> NoReturn:
    raise structlog.DropEvent
