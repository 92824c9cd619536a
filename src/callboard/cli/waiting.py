"""What the steps of a run wait for, in a sentence each: the last lines of `runs why`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callboard.web.runs import EventRow

_GO_ON = frozenset(
    {"step_activated", "attempt_due", "attempt_started", "hold_released", "step_completed", "step_failed"}
)


def waits(run: str, events: Iterable[EventRow]) -> dict[str, str]:
    """Return what steps of a run wait for, by the step, given all events of the run."""
    found: dict[str, str] = {}
    for event in events:
        data = event.data
        if event.type in {"step_waiting", "approval_asked"}:
            found[data["step"]] = _sentence(data["wait"])
        elif event.type == "attempt_retried":
            error = data["error"]
            found[data["step"]] = f"is tried again at {data['due']}: {error['message']} [{error['code']}]"
        elif event.type in _GO_ON:
            found.pop(data["step"], None)
        elif event.type == "workflow_recovered":
            held = [one["step"] for one in data.get("interrupted", ()) if one["then"] == "hold"]
            found.update((step, f"is held: callboard runs release {run} {step}") for step in held)
        else:
            for step in (*data.get("reset", ()), *(one["step"] for one in data.get("cancelled", ()))):
                found.pop(step, None)
    return found


def _sentence(wait: Mapping[str, Any]) -> str:
    what, until = wait["what"], wait.get("until")
    if what == "timer":
        return f"waits until {until}"
    return f"waits for {_what(wait, wait.get('data') or {})}" + (f", until {until} at most" if until else "")


def _what(wait: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    told = str(wait["what"])
    match wait:
        case {"what": "signal"}:
            told = f"the signal {wait['key']}"
        case {"what": "approval"}:
            told = f"{about['needed']} of {', '.join(about['approvers'])}: callboard approvals"
        case {"what": "answer"}:
            told = f"answers of {', '.join(about['questions'])}"
        case {"what": "message"}:
            parts = {"of the type": "type", "on": "channel", "from": "sender", "for which": "text"}
            named = (f"{word} {about[name]}" for word, name in parts.items() if name in about)
            told = " ".join(["a message", *named])
        case {"child": child}:
            told = f"run {child['run']} of {child['workflow']}"
        case {"batch": batch}:
            told = f"its {'items' if batch['kind'] == 'each' else 'rounds'}: callboard runs tree"
    return told
