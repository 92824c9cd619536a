"""The guard against a run that kills the process, as C code that crashes or `os._exit` in an action would.

Theory of operation
    A run in flight when the server dies is taken up at the next start, and a deadly one would kill that too.
    One unclean stop is bad luck: all are taken up at once. After the second in a row every run that had an
    attempt in flight is a suspect. Suspects are taken up one at a time, and each is written down before it
    begins (`deaths.py`). Its turn is over when the attempts with which it began have ended and that is on
    disk; what follows from them waits. All other attempts, of new runs too, wait until the last turn is over:
    nobody shall die of another's fault. Only attempts wait; timers, signals and decisions are taken.

    A run that was alone at three deaths is given up instead of recovered: `crashed`, until somebody resumes
    it. When no suspect is left, or after an orderly stop, counting begins anew.

Rejected
    Going on after some time with those who have not died yet: a step that dies late would blame the others.
    Writing each attempt of each life down: it is in the log already. Only who was alone is not.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable

import structlog

from callboard.deaths import Deaths
from callboard.run import commands

IN_A_ROW = 2
"""So many unclean stops, and runs are taken up one at a time."""
DEATHS = 3
"""So many ends of the process while a run was alone in flight, and it is given up."""
GUILTY = (
    f"The server died {DEATHS} times in a row while this run alone had an attempt in flight. "
    f"Mend what it does, then resume it."
)

Key = tuple[str, int, int]
"""Step, iteration, attempt."""

_log = structlog.get_logger("callboard.runs")


class Ordeal:
    """Lets attempts begin: all of them as a rule, and those of one run alone after deaths."""

    def __init__(self, deaths: Deaths | None = None) -> None:
        self._deaths = deaths
        self.on = deaths is not None and deaths.stops >= IN_A_ROW
        """Whether runs are taken up one at a time."""
        self._suspects: set[str] | None = None
        """Those who have still to show that the process survives them; None where nobody looks."""
        self._flying: defaultdict[str, set[Key]] = defaultdict(set)
        """Attempts that were begun and whose end is not on disk, whether they wait here or not."""
        self._alone = ""
        self._ends = False
        self._first: set[Key] | None = None
        """Of the run that is alone, those that had begun before one of them ended."""
        self._change = asyncio.Event()
        self._closing = False

    @property
    def watches(self) -> bool:
        """Whether the server must know which runs are in flight at the start."""
        return self._deaths is not None and self._deaths.stops > 0

    @property
    def judges(self) -> bool:
        """Whether it matters to anybody which attempts have ended."""
        return self._suspects is not None

    def first_word(self, run: str, *, lost: bool) -> commands.Command:
        """Return what a run is told that is taken up; `lost`: with attempts in flight."""
        if not lost:
            return commands.GoOn()
        return commands.GiveUp(GUILTY) if self.doomed(run) else commands.Recover()

    def doomed(self, run: str) -> bool:
        """Whether a run is given up."""
        return self.on and self._deaths is not None and self._deaths.of(run) >= DEATHS

    # ── attempts ─────────────────────────────────────────────────────────────────────────────────────────

    def alone(self, run: str) -> bool:
        """Whether a run is the only one that may attempt anything, and none of its attempts has ended."""
        return self.on and run == self._alone and self._first is None and not self._ends

    async def lets(self, run: str) -> None:
        """Wait until a run may begin attempts."""
        while self.on and not self.alone(run):
            if self._closing:
                raise asyncio.CancelledError
            await self._change.wait()

    def ends(self, run: str) -> None:
        """Note that an attempt has ended: what is decided from now on follows from it."""
        if run == self._alone:
            self._ends = True

    def begun(self, run: str, key: Key) -> None:
        """Note an attempt before it waits for its turn."""
        if self.on:
            self._flying[run].add(key)

    async def turn(self, run: str, key: Key) -> None:
        """Wait until an attempt may be carried out."""
        while not self._may(run, key):
            if self._closing:
                raise asyncio.CancelledError
            await self._change.wait()

    def dropped(self, run: str, key: Key) -> None:
        """Note that an attempt was stopped, and nobody is told what it came to."""
        if self.on:
            self._away(run, [key])

    def committed(self, run: str, keys: list[Key]) -> None:
        """Note that these attempts of a run have ended and it is on disk, before new ones are begun."""
        if self._suspects is None or not keys:
            return
        if self.on:
            if run == self._alone and self._first is None:
                self._first = set(self._flying[run])
            self._away(run, keys)
        elif run in self._suspects:
            self._suspects.discard(run)
            self._rest()

    def gone(self, run: str) -> None:
        """Note that the actor of a run failed, with all that it had in flight."""
        if self.on:
            self._away(run, list(self._flying[run]))

    def close(self) -> None:
        """Let nobody wait any longer: an orderly stop has begun, and those who wait have begun nothing."""
        self._closing = True
        self._changed()

    def _may(self, run: str, key: Key) -> bool:
        return not self.on or (run == self._alone and (self._first is None or key in self._first))

    def _away(self, run: str, keys: list[Key]) -> None:
        self._flying[run].difference_update(keys)
        if run == self._alone:
            if self._first is not None:
                self._first.difference_update(keys)
            self._changed()

    def _changed(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    # ── turns ────────────────────────────────────────────────────────────────────────────────────────────

    def suspect(self, runs: Iterable[str]) -> None:
        """Say which runs had an attempt in flight when the process ended."""
        self._suspects = set(runs)
        self._rest()

    def begin(self, run: str) -> None:
        """Let a run be the only one that attempts anything."""
        if self._deaths is not None:
            self._deaths.alone(run)
        self._alone, self._first, self._ends = run, None, False
        self._changed()
        _log.warning("runs.taken_up_alone", run=run)

    async def over(self) -> None:
        """Wait until the attempts are over with which the run began that is alone."""
        while self._flying[self._alone] if self._first is None else self._first:
            await self._change.wait()

    def passed(self, run: str) -> None:
        """Hold nothing against a run any more: the process survived it, or it was given up."""
        if self._deaths is not None:
            self._deaths.forget(run)
        self._alone = ""
        if self._suspects is not None:
            self._suspects.discard(run)
            self._rest()

    def _rest(self) -> None:
        """Go back to normal when nobody is under suspicion."""
        if self._suspects or self._deaths is None:
            return
        self._deaths.reset()
        self._suspects, self.on = None, False
        self._flying.clear()
        self._changed()
