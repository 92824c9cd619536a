"""The steps of the core: give back, set, fail, wait for a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from callboard.errors import BadInput
from callboard.outcome import Done, Fail, Failure, Outcome, Retry, Wait
from callboard.planning import catalogue
from callboard.steps.work import Work
from callboard.units import seconds

TRANSIENT = 2
"""So many attempts fail of an echo that simulates a passing fault."""


def echo(work: Work) -> Outcome:
    """Give the message back, or fail as told."""
    given = work.read(catalogue.Echo)
    if given.simulate == "permanent":
        return Fail(Failure("SIMULATED", "The step was told to fail always."))
    if given.simulate == "transient" and work.attempt.attempt <= TRANSIENT:
        return Retry(Failure("SIMULATED", f"The step was told to fail attempts 1 to {TRANSIENT}."))
    return Done({"echo": given.message})


def assign(work: Work) -> Outcome:
    """Set variables; what they are set to is the output as well."""
    values = work.value
    if not isinstance(values, dict):
        raise BadInput("with: core.set takes names with their values.")
    return Done(values, sets=values)


def fail(work: Work) -> Outcome:
    """Fail, with a code and a sentence."""
    given = work.read(catalogue.Fail)
    return Fail(Failure(given.code, given.message))


def delay(work: Work) -> Outcome:
    """Wait for a time, on disk."""
    given = work.read(catalogue.Delay)
    try:
        if given.until is not None:
            until = datetime.fromisoformat(given.until).astimezone(UTC)
        else:
            until = work.now + timedelta(seconds=seconds(given.for_ or "0s"))
    except (ValueError, OverflowError) as error:
        raise BadInput(f"with: it cannot be waited so long: {error}.") from None
    return Wait("timer", until=until, expired=Done({"until": until.isoformat()}))
