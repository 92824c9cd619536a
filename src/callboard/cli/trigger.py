"""The words about triggers: `trigger list`, `show`, `fire`, `enable`, `disable` and `next`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from callboard.cli import DONE, FAILED, terminal
from callboard.cli.board import confirm, remark
from callboard.cli.place import HERE, Place

if TYPE_CHECKING:
    from callboard.web.triggers import RecordRow, Switched, TriggerDetail, TriggerRow

trigger = App(name="trigger", help="What starts runs by itself: list, show, fire, enable, disable, next.")


@trigger.command(name="list")
def list_triggers(*, workflow: str | None = None, all: bool = False, place: Place = HERE) -> int:  # noqa: A002 - the flag
    """List triggers, with when they fire next.

    Parameters
    ----------
    workflow
        Only those of this workflow.
    all
        Also those that sleep: of archived workflows, and of entries that are gone.
    """
    with place.client() as client:
        found = client.triggers.list(workflow=workflow, sleeping=all)
    if place.as_json:
        terminal.document(found)
        return DONE
    rows = [
        (
            *(one.id, one.kind, one.about, _state(one)),
            *(terminal.when(moment) for moment in (one.next_fire, one.last_fire)),
        )
        for one in found.data
    ]
    terminal.table(("trigger", "kind", "what fires it", "state", "next", "last"), rows, whole="trigger")
    if not rows:
        remark("There is none: an entry under `on` of a workflow file makes one.")
    return DONE


@trigger.command(name="show")
def show_trigger(name: str, /, *, records: int = 20, place: Place = HERE) -> int:
    """Show a trigger: what it is, when it fires, and what became of it lately.

    Parameters
    ----------
    name
        Which trigger, by its id.
    records
        How many of its newest records, up to 1000.
    """
    with place.client() as client:
        found = client.triggers.read(name, records=records)
    if place.as_json:
        terminal.document(found)
        return DONE
    for line in _lines(found):
        terminal.say(line)
    terminal.table(
        ("position", "when", "what", "about"),
        [
            (one.position, terminal.when(one.at), one.what.replace("_", " "), _about(one))
            for one in found.records
        ],
        whole="about",
    )
    return DONE


@trigger.command(name="fire")
def fire(name: str, /, *, data: str | None = None, place: Place = HERE) -> int:
    """Have a trigger fire now, also one that is off; its condition and its input hold as ever.

    The exit code is 1 when no run was started.

    Parameters
    ----------
    name
        Which trigger, by its id.
    data
        The event, as JSON; what the trigger would see of itself, if it is left out.
    """
    import msgspec

    from callboard.cli.run import given

    event = msgspec.UNSET if data is None else given([], data)
    with place.client() as client:
        fired = client.triggers.fire(name, event)
    if place.as_json:
        terminal.document(fired)
    elif fired.started:
        terminal.say(f"run {fired.run_id} is started")
        terminal.say(f"look: {place.again('runs', 'show', str(fired.run_id))}")
    else:
        terminal.say(f"no run is started: {fired.reason} [{fired.code}]")
    return DONE if fired.started else FAILED


@trigger.command(name="enable")
def enable(name: str, /, *, place: Place = HERE) -> int:
    """Turn a trigger on; what happened while it was off is not made up for."""
    with place.client() as client:
        return _switched(place, client.triggers.switch(name, on=True))


@trigger.command(name="disable")
def disable(name: str, /, *, place: Place = HERE) -> int:
    """Turn a trigger off; it stays off when a new version is published."""
    with place.client() as client:
        return _switched(place, client.triggers.switch(name, on=False))


@trigger.command(name="next")
def preview(
    schedule: str,
    /,
    *,
    timezone: str | None = None,
    count: int = 5,
    place: Place = HERE,
) -> int:
    """Show when a schedule fires next; it needs no server.

    Parameters
    ----------
    schedule
        Cron of 5 or 6 fields, such as "0 7 * * mon-fri", a word such as @daily, or a distance such as 15m.
    timezone
        Such as Europe/Lisbon; UTC if not told.
    count
        How many times, up to 100.
    """
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from callboard.errors import BadInput
    from callboard.schedule import Schedule

    distance = " " not in schedule.strip() and not schedule.startswith("@")
    try:
        fires = (Schedule.read_every if distance else Schedule.read)(schedule.strip(), timezone)
    except ValueError as error:
        raise BadInput(f"{schedule!r} is no schedule: {error}.") from None
    if not 1 <= count <= 100:  # noqa: PLR2004 - as the help says
        raise BadInput(f"--count {count} is not from 1 to 100.")
    found: list[datetime] = []
    moment = fires.after(datetime.now(UTC))
    while moment is not None and len(found) < count:
        found.append(moment)
        moment = fires.after(moment)
    if place.as_json:
        terminal.document({"schedule": schedule, "timezone": fires.zone, "next": found})
        return DONE
    zone = ZoneInfo(fires.zone)
    rows = [(f"{one.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}", f"{one:%Y-%m-%d %H:%M:%S}") for one in found]
    terminal.table((fires.zone, "UTC"), rows)
    return DONE


# ── for people ───────────────────────────────────────────────────────────────────────────────────────────


def _state(one: TriggerRow) -> str:
    return "sleeps" if not one.live else "on" if one.enabled else "off"


def _lines(found: TriggerDetail) -> list[str]:
    version = "" if found.version is None else f" version {found.version}"
    lines = [f"{found.id} is {_state(found)}: {found.kind} {found.about}, starts {found.workflow}{version}"]
    if found.condition:
        lines.append(f"if: {found.condition}")
    if found.missed is not None:
        lines.append(f"missed: {found.missed}")
    if found.auth is not None:
        lines.append(f"auth: {found.auth}")
    if found.coming:
        lines.append("next: " + ", ".join(terminal.when(one) for one in found.coming))
    return lines


def _about(one: RecordRow) -> str:
    if one.what == "missed":
        span = f"{terminal.when(one.first)} to {terminal.when(one.last)}" if one.first and one.last else ""
        return f"{one.count} times, {span}"
    due = f" for {terminal.when(one.scheduled_for)}" if one.scheduled_for else ""
    due += f", fired by {one.by}" if one.by else ""
    if one.run_id is not None:
        return f"run {one.run_id}{due}"
    return f"{one.reason} [{one.code}]{due}" if one.code else f"by {one.principal}"


def _switched(place: Place, done: Switched) -> int:
    state = "on" if done.enabled else "off"
    return confirm(place, done, f"{done.id} is {state}" + ("" if done.changed else ", as it was before"))
