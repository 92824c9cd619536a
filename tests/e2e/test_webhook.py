"""A webhook bot of a real server: declared in a file, asked on the command line, answered by another."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from tests.e2e.server import Server, up

SECRET = "s3cret"
CONFIG = """
[bots.billing]
kind = "webhook"
description = "Writes invoices."
url = "http://127.0.0.1:{port}/in"
secret = "BILLING_SECRET"
attempts = 2
"""


class Billing(BaseHTTPRequestHandler):
    """Answers a text in capitals, if its signature is right."""

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        expected = hmac.new(SECRET.encode(), data, hashlib.sha256).hexdigest()
        if self.headers["X-Hub-Signature-256"] != f"sha256={expected}":
            self.send_error(401)
            return
        text = json.loads(data)["body"]["text"]
        answer = json.dumps({"type": "text", "body": {"text": text.upper()}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def billing() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Billing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def write(project: Path, port: int) -> None:
    (project / "config").mkdir()
    (project / "config" / "callboard.toml").write_text(CONFIG.format(port=port))


def until(true: Callable[[], bool], within: float = 20.0) -> None:
    """Wait until something holds, which is so when another process has done it."""
    ends = time.monotonic() + within
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


def dead(server: Server) -> list[dict[str, Any]]:
    return list(json.loads(server.say("dead", "list", "--json").stdout)["data"])


def states(server: Server) -> dict[str, tuple[str, str]]:
    listed = json.loads(server.say("bots", "list", "--json").stdout)["data"]
    return {bot["name"]: (bot["kind"], bot["state"]) for bot in listed}


def test_who_asks_it_is_given_what_the_other_program_answers(tmp_path: Path) -> None:
    with billing() as port:
        write(tmp_path, port)
        with up(tmp_path, BILLING_SECRET=SECRET) as server:
            assert states(server) == {"billing": ("webhook", "running")}
            asked = server.say("ask", "billing", "hello")
            assert (asked.returncode, asked.stdout) == (0, "HELLO\n")


def test_with_another_secret_the_message_is_a_dead_letter_that_can_be_redriven(tmp_path: Path) -> None:
    with billing() as port:
        write(tmp_path, port)
        with up(tmp_path, BILLING_SECRET=SECRET[::-1]) as server:
            assert server.say("send", "billing", "hello").returncode == 0
            until(lambda: bool(dead(server)))
            (letter,) = dead(server)
            assert "answered 401" in letter["error"]
            assert letter["attempts"] == 1
        with up(tmp_path, BILLING_SECRET=SECRET) as server:
            assert server.say("dead", "redrive", str(letter["id"])).returncode == 0
            until(lambda: "HELLO" in server.say("audit", "local", "billing", "--json").stdout)
            assert dead(server) == []


def test_without_its_secret_it_is_not_started_and_the_log_says_which_variable_it_needs(
    tmp_path: Path,
) -> None:
    write(tmp_path, 9)
    with up(tmp_path) as server:
        (fault,) = [line for line in server.lines() if line["event"] == "bots.not_loaded"]
        assert "bots.billing.secret" in fault["reason"]
        assert "BILLING_SECRET is not set" in fault["reason"]
        assert states(server) == {}
