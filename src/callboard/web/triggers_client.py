"""What a client asks of triggers: `client.triggers`."""

from __future__ import annotations

import msgspec

from callboard.web import runs, triggers
from callboard.web.targets import given, part
from callboard.web.workflows_client import Call


class TriggersClient:
    """One caller, as far as triggers go."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def list(self, *, workflow: str | None = None, sleeping: bool = False) -> triggers.TriggerList:
        """Return triggers."""
        query = given(workflow=workflow, all="true" if sleeping else None)
        return self._call("GET", "/triggers", triggers.TriggerList, query=query)

    def read(self, trigger: str, *, records: int = triggers.SHOWN) -> triggers.TriggerDetail:
        """Return one trigger, with its newest records."""
        query = given(records=records)
        return self._call("GET", f"/triggers/{part(trigger)}", triggers.TriggerDetail, query=query)

    def fire(self, trigger: str, data: object = msgspec.UNSET) -> triggers.Fired:
        """Have a trigger fire now."""
        body = triggers.FireRequest(data=data)
        return self._call("POST", f"/triggers/{part(trigger)}/fire", triggers.Fired, body=body)

    def switch(self, trigger: str, *, on: bool) -> triggers.Switched:
        """Turn a trigger on or off."""
        path = f"/triggers/{part(trigger)}/{'enable' if on else 'disable'}"
        return self._call("POST", path, triggers.Switched, body=runs.NothingMore())
