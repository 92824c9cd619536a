"""What `callboard init` makes runs: its bots answer, and each way of its workflow is gone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.e2e.server import Server, say, up


def decided(server: Server, amount: int) -> str:
    """Run `claims` to its end, and return its output."""
    done = server.say("run", "claims", "--input", f"amount={amount}", "--watch", "--json")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["output"])


def the_approval(server: Server) -> dict[str, Any]:
    """Wait until somebody is asked, and return what."""
    until = time.monotonic() + 60
    while not (found := json.loads(server.say("approvals", "--json").stdout)["data"]):
        assert time.monotonic() < until
    return dict(found[0])


def test_the_folder_that_init_makes_runs(tmp_path: Path) -> None:
    assert say(tmp_path, "init").returncode == 0
    with up(tmp_path) as server:
        assert server.say("ask", "greeter", "Ada").stdout == "Good evening, Ada. You are guest 1.\n"
        assert decided(server, 40) == "paid at once"
        assert decided(server, 400) == "pay, as both say"
        assert server.say("run", "claims", "--input", "amount=800").returncode == 0
        asked = the_approval(server)
        assert asked["message"].startswith("Pay 800? ")
        assert server.say("approve", asked["id"]).returncode == 0
        watched = server.say("runs", "watch", asked["run_id"], "--json")
        assert json.loads(watched.stdout)["output"] == "pay, says local"
        assert not [line for line in server.lines() if line["level"] in {"warning", "error"}]
