"""A bot outside that stops where it is told to: run as `python outsider.py DATA_FOLDER NAME`.

It declares itself and then obeys standard input, a word a line, and answers each with one line of JSON:

    read            the positions that wait, after a wait of 10 s at most
    ack POSITION    what came of an acknowledgement that publishes its position on `#acked`
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from callboard.folder import DataFolder
from callboard.web.client import Client
from callboard.web.inbox import AckMessage, AckRequest, DeclareRequest


def main(folder: Path, name: str) -> None:
    with Client.find(DataFolder(folder)) as client:
        client.declare(DeclareRequest(name=name, kind="outside"))
        say("ready")
        for line in sys.stdin:
            word, _, rest = line.strip().partition(" ")
            if word == "read":
                page = client.read_inbox(name, wait="10s", reader=name)
                say([row.position for row in page.data])
            else:
                body = msgspec.Raw(rest.encode())
                told = AckMessage(channel="acked", type="acked", body=body)
                done = client.acknowledge(name, AckRequest(up_to=rest, messages=[told], reader=name))
                say([done.settled, done.repeated])


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
