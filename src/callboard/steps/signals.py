"""Waiting for a signal; one that came before the step did is kept and used at once."""

from __future__ import annotations

from datetime import timedelta

from callboard.outcome import Outcome, Wait
from callboard.planning import catalogue
from callboard.steps.work import Work
from callboard.units import seconds


def wait(work: Work) -> Outcome:
    """Wait until somebody gives the run the signal."""
    given = work.read(catalogue.WaitSignal)
    until = None if given.timeout is None else work.now + timedelta(seconds=seconds(given.timeout))
    return Wait("signal", given.signal, until)
