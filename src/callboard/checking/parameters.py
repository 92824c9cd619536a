"""What stands under `uses` and `with`: whether there is such a kind, and whether it takes that."""

from __future__ import annotations

from typing import Any

from callboard.checking.levels import Level
from callboard.planning.questions import immeasurable
from callboard.planning.step import Catalogue, Kind
from callboard.units import seconds
from callboard.workflow import Notes, Path, Shape, Step, described, is_template
from callboard.workflow.definition import Consensus, Definition, Retry

_LATER = "{{ }}"
"""Stands for steps of a body while parameters are read: they are no parameters, and were read already."""

_TWO = 2
_HALF = 0.5


def check_parameters(level: Level, definition: Definition, catalogue: Catalogue, notes: Notes) -> None:
    """Check what each step of a level uses, and with what."""
    for number, step in enumerate(level.steps):
        kind = catalogue.kind(step.uses)
        if kind is not None:
            path = level.place(number, "with")
            if kind.name in catalogue.off:
                said = f"Steps of the kind {kind.name} are off here: {catalogue.off[kind.name]}."
                notes.error(level.place(number, "uses"), "KIND_OFF", said)
            elif catalogue.carried is not None and kind.name not in catalogue.carried:
                said = f"Steps of the kind {kind.name} cannot be run by this version yet."
                notes.error(level.place(number, "uses"), "KIND_NOT_THERE", said)
            _read(step.with_, kind.parameters, path, notes, apart=(kind.body, *kind.conditions))
            for where, code, message in kind.check(step.with_):
                notes.error((*path, *where), code, message)
            if kind.name == "python":
                _action(step, catalogue, path, notes)
        elif step.uses:
            code, message = catalogue.unavailable(step.uses)
            notes.error(level.place(number, "uses"), code, message)
        _bounds(level, number, step, definition, notes)
        if kind is not None and kind.consensus:
            _measured(step, level.place(number, "with", "answer"), notes)
            _tied(step, level, number, notes)
        if step.consensus is not None:
            _consensus(step, kind, level.place(number, "consensus"), notes)


def _read(
    given: dict[str, Any], kind: type, path: Path, notes: Notes, *, apart: tuple[str | None, ...] = ()
) -> None:
    def note(where: Path, code: str, message: str, key: bool) -> None:  # noqa: FBT001 - a callback
        notes.error(where, code, message, key=key)

    value = {
        name: _LATER if name in apart and isinstance(item, list) else item for name, item in given.items()
    }
    Shape(note, templates=True, near=notes.near).read(value, described(kind), path)


def _action(step: Step, catalogue: Catalogue, path: Path, notes: Notes) -> None:
    name = step.with_.get("action")
    if not isinstance(name, str) or not name:
        return
    if is_template(name):
        said = "The name of an action is written out: what it takes is checked before anything runs."
        notes.error((*path, "action"), "WRONG_VALUE", said)
        return
    found = catalogue.actions.get(name)
    if found is None:
        hint = notes.near(name, catalogue.actions)
        notes.error((*path, "action"), "ACTION_UNKNOWN", f"There is no action {name[:100]!r}{hint}.")
        return
    given = step.with_.get("input", {})
    if isinstance(given, dict):
        _read(given, found.input, (*path, "input"), notes)


def _bounds(level: Level, number: int, step: Step, definition: Definition, notes: Notes) -> None:
    if seconds(step.timeout) > seconds(definition.timeout):
        said = f"An attempt may take {step.timeout}, but the whole run only {definition.timeout}."
        notes.warning(level.place(number, "timeout"), "TIMEOUT_NEVER", said)
    retry = step.retry or Retry()
    if seconds(retry.delay) > seconds(retry.max_delay):
        said = f"The first pause, {retry.delay}, is longer than the longest, {retry.max_delay}."
        notes.warning(level.place(number, "retry", "delay"), "DELAY_NEVER", said)


def _measured(step: Step, path: Path, notes: Notes) -> None:
    """Look whether the metric can measure such answers."""
    answer = step.with_.get("answer")
    wrong = immeasurable(step.consensus or Consensus(), answer) if isinstance(answer, dict) else ""
    if wrong:
        notes.error(path, "WRONG_VALUE", wrong)


def _tied(step: Step, level: Level, number: int, notes: Notes) -> None:
    """Look whether those who disagree, half of them against the other half, would count as agreed."""
    said, bots = step.consensus or Consensus(), step.with_.get("bots")
    if said.metric != "percent" or said.threshold > _HALF or not isinstance(bots, list):
        return
    path = level.place(number, "consensus")
    raters = step.with_.get("answers") or len(bots)
    if not isinstance(raters, int) or raters % _TWO or "ties" in notes.source.node(path).items:
        return
    message = (
        f"When half of the {raters} raters say one thing and half another, their agreement is 0.5, which "
        f"meets the threshold of {said.threshold:g}: they count as agreed, and the one named first wins. "
        "Write a threshold above 0.5, or ties: escalate with an adjudicator, or ties: first if that is meant."
    )
    where = (*path, "threshold") if step.consensus is not None else level.place(number, "with", "bots")
    notes.warning(where, "TIE_AGREES", message)


def _consensus(step: Step, kind: Kind | None, path: Path, notes: Notes) -> None:
    said: Consensus = step.consensus or Consensus()
    if kind is not None and not kind.consensus:
        message = f"A step of the kind {kind.name} has no answers that could agree; an ask has."
        notes.error(path, "CONSENSUS_MISPLACED", message, key=True)
        return
    deciders = {said.resolve, said.fallback if said.resolve == "more" else said.resolve}
    for decider, field, what in (
        ("adjudicator", said.adjudicator, "adjudicator, who decides"),
        ("weighted", said.weights, "weights, what each rater counts"),
        ("more", said.raters, "raters, who are asked next"),
    ):
        if decider in deciders and not field:
            notes.error(path, "MISSING_FIELD", f"To resolve by {decider}, name {what}.")
    if said.ties == "escalate" and not said.adjudicator:
        notes.error((*path, "ties"), "MISSING_FIELD", "A tie escalates to the adjudicator: name one.")
    if said.threshold > 1:
        message = f"No agreement is above 1, so a threshold of {said.threshold:g} is never met."
        notes.warning((*path, "threshold"), "THRESHOLD_NEVER", message)
    _raters(step, said, path, notes)


def _raters(step: Step, said: Consensus, path: Path, notes: Notes) -> None:
    """Look at who is asked: how many the metric takes, and who would be asked twice."""
    bots = step.with_.get("bots")
    asked = len(bots) if isinstance(bots, list) else 1
    for number, rater in enumerate(said.raters):
        if rater in said.raters[:number] or rater in (bots if isinstance(bots, list) else [bots]):
            message = f"{rater} is asked before, and one rater counts once: it is not asked here."
            notes.warning((*path, "raters", number), "RATER_TWICE", message)
    if said.resolve == "more" and said.metric in {"cohen", "weighted_cohen"}:
        message = f"{said.metric} compares two raters, and with more it is never met."
        notes.warning((*path, "resolve"), "THRESHOLD_NEVER", message)
    if is_template(bots):
        return
    if said.metric in {"cohen", "weighted_cohen"} and asked != _TWO:
        message = f"{said.metric} compares two raters, and {asked} are asked: it is never met."
        notes.warning((*path, "metric"), "THRESHOLD_NEVER", message)
    elif said.metric not in {"percent", "cohen", "weighted_cohen"} and asked < _TWO:
        message = f"{said.metric} compares raters, and only one is asked: it is never met."
        notes.warning((*path, "metric"), "THRESHOLD_NEVER", message)
