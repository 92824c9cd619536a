"""The lives of a server that is killed again and again while people want things of it (`workday.py`).

Four lives make a round. After two deaths in a row that hit all that is at work, runs are taken up one at a
time, and further deaths hit whoever is alone. In the fourth life all of them pass before it, too, is killed:
a run that is alone at three deaths in a row would rightly be taken for what kills the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from callboard.deaths import FILE
from callboard.folder import DataFolder
from callboard.web.client import Client
from tests.crash.workday import SECRET, TREE, People
from tests.e2e.server import Server, up

ROUND = 4
MORTAL = (sys.executable, "-m", "tests.crash.mortal")
LEFT = """
WITH begun AS (SELECT cause FROM workflow_events WHERE type = 'workflow_started' AND cause IS NOT NULL)
SELECT 'run', run_id, workflow, status, paused_by FROM workflow_runs WHERE ended_at IS NULL
UNION ALL
SELECT 'claim', message_id, recipient, NULL, NULL FROM bot_messages
WHERE recipient LIKE 'intake.%' AND position NOT IN (SELECT cause FROM begun)
UNION ALL
SELECT 'order', run_id, NULL, NULL, NULL FROM workflow_runs
WHERE workflow = 'order' AND path = '' AND ended_at IS NOT NULL AND changed NOT IN (SELECT cause FROM begun)
UNION ALL
SELECT 'number', message_id, recipient, NULL, NULL FROM bot_messages
WHERE sender IN ('local', 'adder') AND recipient = 'front' AND position NOT IN (
    SELECT message FROM deliveries WHERE bot = 'front' AND outcome = 'handled'
)
UNION ALL
SELECT 'sum', message_id, recipient, NULL, NULL FROM bot_messages
WHERE recipient = 'sums' AND position NOT IN (
    SELECT message FROM deliveries WHERE bot = 'keeper' AND outcome = 'handled'
)
"""
"""What is still to happen."""


@contextmanager
def mortal(project: Path, death: str = "") -> Iterator[Server | None]:
    """Start the server of the project; it may choose its own end, and be gone before it is up."""
    path = os.pathsep.join(filter(None, (str(TREE), os.environ.get("PYTHONPATH"))))
    more = {"DEATH": death, "PYTHONPATH": path, "INCOMING_SECRET": SECRET}
    with contextlib.ExitStack() as stack:
        server = None
        try:
            server = stack.enter_context(up(project, wrap=MORTAL, **more))
        except AssertionError as error:
            if not death or "Traceback" in str(error):
                raise
        yield server


def let_all_pass(server: Server, people: People) -> None:
    """Wait until nobody is under suspicion any more, or the server has found its death before."""
    ends = time.monotonic() + 60
    while (people.project / "data" / FILE).exists() and server.process.poll() is None:
        assert time.monotonic() < ends, f"not all runs pass: {server.events()[-10:]}"
        people.live(server, 0, within=0.1)


def end_the_day(project: Path, people: People) -> None:
    """Let all come to its end in a last life, and have the server look whether all is as it must be."""
    with mortal(project) as server:
        assert server is not None
        _wait_until_ended(server, people)
        report = json.loads(server.say("doctor", "--full", "--json").stdout)
        assert report["ok"], report
        server.process.terminate()
        server.process.wait(30)


def _wait_until_ended(server: Server, people: People) -> None:
    """Have the schedule fire no more, and wait for all that was begun and all that follows from it."""
    ends = time.monotonic() + 120
    database = people.project / "data" / "callboard.db"
    with Client.find(DataFolder(people.project / "data")) as client:
        (tick,) = client.triggers.list(workflow="tick").data
        client.triggers.switch(tick.id, on=False)
        people.rest(client)
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            while left := db.execute(LEFT).fetchall():
                assert time.monotonic() < ends, f"{left} did not end: {server.events()[-10:]}"
                people.rest(client)
                time.sleep(0.05)
