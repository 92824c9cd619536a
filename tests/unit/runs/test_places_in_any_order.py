"""Places under a key, in whatever order turns that begin and end runs are refused or committed."""

from __future__ import annotations

import random
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from callboard.company.asking import Services
from callboard.errors import ConcurrencyLimit
from callboard.expressions import template
from callboard.planning.plan import Crowding
from callboard.runs.crowding import Crowds
from tests.proof import scaled


class Log:
    """What would be on disk: who has a place and who waits, as the turns say that are committed."""

    def __init__(self, dice: random.Random, limit: int, rules: list[Any]) -> None:
        self.dice = dice
        self.limit = limit
        self.rules = rules
        self.crowds = Crowds(cast("Services", None))
        self.crowds._spawn = self._give
        self.placed: set[str] = set()
        self.waiting: set[str] = set()
        self.coming: dict[str, tuple[bool, list[str]]] = {}
        """Runs whose first turn is on its way: whether it says that they wait, and whom it tells to go."""
        self.told: set[str] = set()
        self.going: dict[str, str | None] = {}
        """Runs whose last turn is on its way, and who has their place by it."""
        self.number = 0

    def _give(self, errand: Coroutine[Any, Any, None]) -> None:
        frame = errand.cr_frame  # type: ignore[attr-defined]  # that of a coroutine function
        self._admit(frame.f_locals["run"])
        errand.close()

    def _admit(self, run: str) -> None:
        if run in self.waiting:  # or it has left the queue by now
            self.waiting.remove(run)
            self.placed.add(run)
        assert len(self.placed) <= self.limit, "more runs than may be"

    def come(self) -> None:
        run, rule = f"r{self.number}", Crowding(template("k"), self.limit, self.dice.choice(self.rules))
        self.number += 1
        try:
            crowded, ousted = self.crowds.enter("w", "k", run, rule)
        except ConcurrencyLimit:
            assert self.placed or self.coming or self.waiting
            return
        self.coming[run] = crowded.queued, ousted

    def came(self, *, well: bool) -> None:
        run = self.dice.choice(list(self.coming))
        queued, ousted = self.coming.pop(run)
        if not well:
            self.crowds.withdraw(run)
            return
        self.told.update(ousted)
        (self.waiting if queued else self.placed).add(run)
        assert len(self.placed) <= self.limit, "more runs than may be"
        self.crowds.committed(run)

    def go(self) -> None:
        run = self.dice.choice([run for run in sorted(self.placed | self.waiting) if run not in self.going])
        self.going[run] = self.crowds.heir(run)

    def went(self, *, well: bool) -> None:
        run = self.dice.choice(list(self.going))
        heir = self.going.pop(run)
        if not well:
            self.crowds.stays(run)
            return
        self.placed.discard(run)
        self.waiting.discard(run)
        if heir is not None:
            self._admit(heir)
        self.crowds.left(run)

    def step(self, *, more: bool) -> bool:
        well = not more or self.dice.random() < 0.7
        can = [self.come] * 2 if more else []
        can += [lambda: self.came(well=well)] * bool(self.coming)
        can += [self.go] * bool((self.placed if not more else self.placed | self.waiting) - set(self.going))
        can += [lambda: self.went(well=well)] * bool(self.going)
        if can:
            self.dice.choice(can)()
        return bool(can)


@pytest.mark.parametrize("rules", [["queue"], ["reject"], ["replace"], ["queue", "reject", "replace"]])
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_no_place_is_given_twice_and_none_is_lost(limit: int, rules: list[Any]) -> None:
    for seed in range(scaled(60)):
        log = Log(random.Random(seed), limit, rules)
        for _ in range(80):
            log.step(more=True)
        while log.step(more=False):
            for run in (log.waiting & log.told) - set(log.going):
                log.going[run] = log.crowds.heir(run)
        assert (log.placed, log.waiting) == (set(), set()), (seed, "a run waits for ever")
        assert log.crowds._crowds == {}
