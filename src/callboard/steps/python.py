"""Functions of one's own: `uses: python`, with what `@action` has registered in `actions/`.

The input is read as the struct that the function takes, and what it gives back as the type that it promises.
A function may also return an outcome (`Retry`, `Fail`) instead of raising. One that is no `async def` runs in
a thread. It cannot be stopped there: past its time-out the attempt has failed, and the next one of the same
step waits until the thread is free.
"""

from __future__ import annotations

import msgspec

from callboard.outcome import Done, Fail, Failure, Outcome, Retry
from callboard.planning import catalogue
from callboard.planning.step import Action, begin_attempt
from callboard.steps.work import Work, taken


async def call(work: Work) -> Outcome:
    """Call the function."""
    given = taken(work.value, catalogue.Python, "with")
    action = work.house.action(given.action)
    argument = taken(given.input, action.input, "with.input")
    begin_attempt(work.attempt)
    if action.waits:
        result = await action.function(argument)
    else:
        result = await work.house.in_a_thread(work.attempt.key, lambda: action.function(argument))
    return _outcome(action, result)


def _outcome(action: Action, result: object) -> Outcome:
    try:
        plain = msgspec.to_builtins(result)
        if isinstance(result, (Done, Retry, Fail)):
            return _checked(plain)
        if action.output is not None:
            msgspec.convert(plain, action.output)
    except (TypeError, ValueError, RecursionError) as error:
        said = f"What {action.name} gave back is not what it promises: {error}."
        return Fail(Failure("OUTPUT_INVALID", said))
    return Done(plain)


def _checked(plain: object) -> Outcome:
    """Return an outcome as it is kept: whoever wrote the function may have put anything into it."""
    outcome = msgspec.convert(plain, Done | Retry | Fail)
    if isinstance(outcome, Done) and outcome.child is not None:
        raise ValueError("a function starts no run")
    return outcome
