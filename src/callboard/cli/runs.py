"""The words about runs that there are: `runs …`, `signal`, `approvals`, `approve` and `reject`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from callboard.cli import DONE, terminal
from callboard.cli.board import confirm, remark
from callboard.cli.place import HERE, Place
from callboard.cli.showing import between, said, short, state, summary

if TYPE_CHECKING:
    from callboard.web.runs import Standing, StepRow

runs = App(
    name="runs",
    help="Runs: list, show, tree, why, watch, pause, resume, cancel, retry, fork, release, delete.",
)

Status = Literal["pending", "running", "paused", "completed", "failed", "crashed", "cancelled"]
Sender = Annotated[str | None, Parameter(name="--as")]


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────


@runs.command(name="list")
def list_runs(
    *,
    workflow: str | None = None,
    status: Status | None = None,
    after: str | None = None,
    limit: int = 20,
    place: Place = HERE,
) -> int:
    """List runs, the newest first.

    Parameters
    ----------
    workflow
        Only those of this workflow.
    status
        Only those in this state.
    after
        The cursor at which an earlier page ended.
    limit
        How many at most, up to 1000.
    """
    with place.client() as client:
        page = client.list_runs(workflow=workflow, status=status, after=after, limit=limit)
    if place.as_json:
        terminal.document(page)
        return DONE
    rows = [
        (one.id, f"{one.workflow} {one.version}", state(one), terminal.when(one.started_at))
        for one in page.data
    ]
    terminal.table(("run", "workflow", "status", "started"), rows, whole="run")
    if not rows:
        remark("There is no such run: `callboard run NAME` starts one.")
    if page.next is not None:
        remark(f"go on: {place.again('runs', 'list', '--after', page.next)}")
    return DONE


@runs.command(name="show")
def show_run(
    run: str,
    /,
    *,
    events: bool = False,
    decisions: bool = False,
    context: bool = False,
    at: int | None = None,
    place: Place = HERE,
) -> int:
    """Show a run: its steps, and what it came to.

    Parameters
    ----------
    run
        Which run, by its id.
    events
        Also every fact of it.
    decisions
        Also why it went where it went.
    context
        Also what its expressions see, as much of it as its workflow says in `context`.
    at
        How it stood at this position of the log instead; --events shows the positions.
    """
    if at is not None:
        from callboard.cli.story import show_then

        return show_then(place, run, at)
    wanted = {"events": events, "decisions": decisions, "context": context}
    parts = ["steps", *(part for part, given in wanted.items() if given)]
    with place.client() as client:
        found = client.read_run(run, include=parts)
    if place.as_json:
        terminal.document(found)
        return DONE
    summary(found)
    _steps(found.steps or [])
    if found.cut:
        remark(f"There is more than is shown here: {', '.join(found.cut)}.")
    if found.parent is not None:
        remark(f"A step of run {found.parent} started it.")
    if found.forked_from is not None:
        remark(f"It was forked from run {found.forked_from}.")
    if found.context is not None:
        from callboard.cli.story import show_context

        show_context(found.context)
    for fact in found.events or []:
        terminal.say(f"{fact.position}  {terminal.when(fact.at)}  {fact.type}  {short(fact.data)}")
    if found.decisions is not None:
        from callboard.cli.story import print_decisions

        print_decisions(found.decisions)
    return DONE


def _steps(steps: list[StepRow]) -> None:
    terminal.table(
        ("step", "iteration", "attempt", "status", "lasted", "came to"),
        [
            (
                *(one.step, one.iteration, one.attempt, one.status),
                *(between(one.started_at, one.ended_at), _result(one)),
            )
            for one in steps
        ],
    )


@runs.command(name="watch")
def watch(run: str, /, *, place: Place = HERE) -> int:
    """Show how a run goes until it has ended; the exit code is 1 unless it completed."""
    from callboard.cli.watching import watch_run

    with place.client() as client:
        return watch_run(client, run, as_json=place.as_json)


def _result(step: StepRow) -> str:
    if step.error is not None:
        return f"{step.error.message} [{step.error.code}]"
    told = "" if step.output is None else short(step.output)
    return told if step.taken_from is None else f"{told} (taken over)".strip()


# ── doing ────────────────────────────────────────────────────────────────────────────────────────────────


@runs.command(name="pause")
def pause(run: str, /, *, place: Place = HERE) -> int:
    """Let nothing more of a run start; what is under way goes on to its end."""
    with place.client() as client:
        return _done(place, client.control_run(run, "pause"))


@runs.command(name="resume")
def resume(run: str, /, *, place: Place = HERE) -> int:
    """Let a run go on that was paused."""
    with place.client() as client:
        return _done(place, client.control_run(run, "resume"))


@runs.command(name="cancel")
def cancel(run: str, /, *, reason: str = "", place: Place = HERE) -> int:
    """End a run.

    Parameters
    ----------
    run
        Which run, by its id.
    reason
        Why; it is kept with the run.
    """
    with place.client() as client:
        return _done(place, client.cancel_run(run, reason))


@runs.command(name="delete")
def delete(run: str, /, *, place: Place = HERE) -> int:
    """Take a run that has ended away, with its whole history; what it said to others stays.

    Parameters
    ----------
    run
        Its id.
    """
    with place.client() as client:
        done = client.delete_run(run)
    return confirm(place, done, f"{done.run_id} is deleted")


@runs.command(name="retry")
def retry(run: str, /, *, place: Place = HERE) -> int:
    """Try a failed run again, from where it failed; what is done stays done."""
    with place.client() as client:
        return _done(place, client.control_run(run, "retry"))


@runs.command(name="release")
def release(run: str, step: str, /, *, how: Literal["retry", "fail"] = "retry", place: Place = HERE) -> int:
    """Say what becomes of a step that is held, since its attempt was under way when the server died.

    Parameters
    ----------
    run
        Which run, by its id.
    step
        Which step of it.
    how
        retry: it is tried again; fail: it fails.
    """
    with place.client() as client:
        return _done(place, client.release_step(run, step, how))


def signal(run: str, name: str, /, *, body: str = "null", place: Place = HERE) -> int:
    """Give a run a signal; a step that waits for it goes on, or finds it when it comes to wait.

    Parameters
    ----------
    run
        Which run, by its id.
    name
        The name of the signal.
    body
        What comes with it: a JSON value as it is, any other text as a text.
    """
    from callboard.cli.run import value_of

    with place.client() as client:
        return _done(place, client.signal_run(run, name, value_of(body)))


def _done(place: Place, standing: Standing) -> int:
    by = f" ({standing.paused_by})" if standing.paused_by else ""
    return confirm(place, standing, f"run {standing.run_id} is {standing.status}{by}")


# ── people ───────────────────────────────────────────────────────────────────────────────────────────────


def approvals(*, after: str | None = None, limit: int = 100, place: Place = HERE) -> int:
    """List what waits for people to approve or reject.

    Parameters
    ----------
    after
        The id at which an earlier page ended.
    limit
        How many at most, up to 1000.
    """
    with place.client() as client:
        page = client.approvals(after=after, limit=limit)
    if place.as_json:
        terminal.document(page)
        return DONE
    rows = [
        (
            one.id,
            f"{one.workflow}/{one.step}",
            f"{one.needed} of {', '.join(one.approvers)}",
            said(one.message),
        )
        for one in page.data
    ]
    terminal.table(("approval", "step", "who may", "message"), rows, whole="approval")
    if not rows:
        remark("Nothing waits for a decision.")
    return DONE


def approve(approval: str, /, *, comment: str = "", sender: Sender = None, place: Place = HERE) -> int:
    """Approve what a step asks; `callboard approvals` lists what there is.

    Parameters
    ----------
    approval
        Which, by its id.
    comment
        What you have to say about it; it is kept with the decision.
    sender
        Who approves, if it is not you.
    """
    with place.client() as client:
        return _done(place, client.decide(approval, "approve", sender, comment))


def reject(approval: str, /, *, comment: str = "", sender: Sender = None, place: Place = HERE) -> int:
    """Reject what a step asks: the step fails with REJECTED.

    Parameters
    ----------
    approval
        Which, by its id.
    comment
        Why; it is kept with the decision.
    sender
        Who rejects, if it is not you.
    """
    with place.client() as client:
        return _done(place, client.decide(approval, "reject", sender, comment))
