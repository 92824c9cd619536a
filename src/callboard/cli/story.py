"""The words about the story of one run: `runs tree`, `runs why`, `runs fork`, and more of `runs show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callboard.cli import DONE, terminal
from callboard.cli.board import remark
from callboard.cli.place import HERE, Place
from callboard.cli.showing import short, state, summary
from callboard.cli.waiting import waits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callboard.web.runs import ContextValue, DecisionRow, EventRow, RunContext
    from callboard.web.story import Branch, StepThen
    from callboard.web.wire import LogRow


def tree(run: str, /, *, place: Place = HERE) -> int:
    """Show a run with all the runs that its steps started.

    Parameters
    ----------
    run
        Which run, by its id.
    """
    with place.client() as client:
        found = client.story.tree(run)
    if place.as_json:
        terminal.document(found)
        return DONE
    for depth, branch in _branches(found.root):
        number = "" if branch.run.item is None else f"[{branch.run.item}]"
        under = f"{branch.step}{number}: " if branch.step else ""
        told = (
            f"{under}run {branch.run.id} of {branch.run.workflow} {branch.run.version} is {state(branch.run)}"
        )
        error = f"  {branch.run.error.message} [{branch.run.error.code}]" if branch.run.error else ""
        terminal.lines("  " * depth + told + error)
    if found.cut:
        remark("There are more than are shown here.")
    return DONE


def _branches(root: Branch) -> Iterator[tuple[int, Branch]]:
    waiting = [(0, root)]
    while waiting:
        depth, branch = waiting.pop()
        yield depth, branch
        waiting += [(depth + 1, child) for child in reversed(branch.children)]


def why(run: str, /, *, step: str | None = None, place: Place = HERE) -> int:
    """Show what led to a run, why it stands where it stands, and why it went where it went.

    Parameters
    ----------
    run
        Which run, by its id.
    step
        Only what was decided about this step.
    """
    with place.client() as client:
        found = client.read_run(run, include=["decisions", "events"])
        causes = client.causes(found.position).data
    decisions = [one for one in found.decisions or [] if step is None or step in {one.source, one.to}]
    if place.as_json:
        terminal.document({"causes": causes, "run": found, "decisions": decisions})
        return DONE
    people = [one for one in map(_person, found.events or []) if one is not None]
    for depth, row in enumerate(causes):
        terminal.lines("  " * depth + _cause(row))
    summary(found)
    print_decisions(decisions)
    for about, told in people:
        if step in {None, about}:
            terminal.lines(told)
    standing = {} if found.ended_at or found.cut else waits(run, found.events or [])
    for about, told in standing.items():
        if step in {None, about}:
            terminal.lines(f"{about} {told}")
    if found.cut:
        remark(f"There is more than is shown here: {', '.join(found.cut)}.")
    if not decisions and not people:
        remark("Nothing was decided on the way." if step is None else f"Nothing was decided about {step}.")
    return DONE


def _person(event: EventRow) -> tuple[str, str] | None:
    """Return a step that a person decided, with who it was and what he said."""
    if event.type != "approval_decided":
        return None
    given = event.data.get("answer") or {}
    word = "rejected" if given.get("decision") == "reject" else "approved"
    comment = f": {given['comment']}" if given.get("comment") else ""
    step = event.data["step"]
    return step, f"{event.position}  {terminal.when(event.at)}  {event.data['by']} {word} {step}{comment}"


def _cause(row: LogRow) -> str:
    data = bytes(row.data).decode()
    told = data if len(data) <= _SHOWN else f"{data[:_SHOWN]}…"
    return f"{row.position}  {terminal.when(row.at)}  {row.kind} {row.type}  {row.subject}  {told}"


_SHOWN = 200


def print_decisions(decisions: list[DecisionRow]) -> None:
    """Print what was looked at to find out where a run goes."""
    terminal.table(
        ("position", "from", "to", "expression", "holds", "reason"),
        [
            (one.position, one.source, one.to, one.expression, "yes" if one.result else "no", one.reason)
            for one in decisions
        ],
    )


def fork(
    run: str,
    /,
    *,
    step: Annotated[str, Parameter(name="--from")],
    data: str | None = None,
    request_id: str | None = None,
    watch: bool = False,
    place: Place = HERE,
) -> int:
    """Do a run again from one of its steps, as a new run that takes over what came before it.

    Parameters
    ----------
    run
        Which run, by its id.
    step
        The step from which it is done again; all that follow it are, too.
    data
        Another input, as JSON; that of the run, if not told.
    request_id
        The same again gives the run that there is, and starts no other.
    watch
        Show how it goes until it has ended.
    """
    import msgspec

    from callboard.cli.run import given

    other = msgspec.UNSET if data is None else given([], data)
    with place.client() as client:
        started = client.story.fork(run, step, input=other, request_id=request_id)
        if watch:
            from callboard.cli.watching import watch_run

            return watch_run(client, started.run_id, as_json=place.as_json)
    if place.as_json:
        terminal.document(started)
        return DONE
    again = " (it was started before, under the same id)" if started.repeated else ""
    terminal.say(f"run {started.run_id}, forked from {step} of {run}, is {started.status}{again}")
    terminal.say(f"look: {place.again('runs', 'show', started.run_id)}")
    return DONE


def show_then(place: Place, run: str, position: int) -> int:
    """Print how a run stood at a position of the log."""
    with place.client() as client:
        found = client.story.at(run, position)
    if place.as_json:
        terminal.document(found)
        return DONE
    paused = f" ({found.paused_by})" if found.paused_by else ""
    terminal.say(
        f"run {found.run_id} of {found.workflow} version {found.version} was {found.status}{paused} "
        f"at position {found.position}, {terminal.when(found.at)}"
    )
    terminal.table(
        ("step", "iteration", "attempt", "status", "came to, or waits for"),
        [(one.step, one.iteration, one.attempt, one.status, _stands(one)) for one in found.steps],
    )
    for name, value in found.vars.items():
        terminal.say(f"vars.{name} = {short(value)}")
    return DONE


def _stands(one: StepThen) -> str:
    if one.error is not None:
        return f"{one.error.message} [{one.error.code}]"
    if one.waits_for:
        return one.waits_for + (f" until {terminal.when(one.until)}" if one.until else "")
    return "ready" if one.ready else "" if one.output is None else short(one.output)


def show_context(context: RunContext) -> None:
    """Print what the expressions of a run see."""
    terminal.say(f"context ({context.mode}, {context.bytes:,} bytes in all)")
    rows = [("trigger", "", _told(context.trigger))]
    rows += [(f"vars.{name}", "", _told(value)) for name, value in context.vars.items()]
    rows += [(f"steps.{id_}", one.status, _told(one.output)) for id_, one in context.steps.items()]
    terminal.table(("name", "status", "value"), rows)


def _told(value: ContextValue) -> str:
    return f"({value.bytes:,} bytes)" if value.left_out else short(value.value)
