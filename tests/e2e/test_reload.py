"""A real server whose files are changed while it runs, by its operator and by a watcher of files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.server import Server, say, up

BOT = '''
from callboard import Body, Bot, Memory, Settings, Turn, on

class Text(Body):
    text: str

class Count(Memory):
    said: int = 0

class Tone(Settings):
    end: str = "."

class Parrot(Bot):
    """Says it again."""
    memory: Count
    settings: Tone

    @on(Text)
    async def again(self, text: Text, turn: Turn) -> Text:
        self.memory.said += 1
        return Text(f"OLD {text.text}{self.memory.said}{self.settings.end}")
'''
NEW = BOT.replace("OLD", "NEW")


def project(tmp_path: Path, config: str = "") -> Path:
    for folder in ("bots", "config"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bots" / "parrot.py").write_text(BOT)
    (tmp_path / "config" / "callboard.toml").write_text(config)
    return tmp_path


ACTION = '''
from pathlib import Path
import msgspec
from callboard import action

class Nothing(msgspec.Struct):
    pass

@action("price")
def price(_: Nothing) -> str:
    """Says what it costs."""
    Path(__file__).parent.with_name("tried").touch()
    raise ConnectionError
'''
FLOW = """name: pricing
output: "{{ steps.a.output }}"
steps:
  - id: a
    uses: python
    retry: {attempts: 20, delay: 200ms, factor: 1}
    with: {action: price}
"""
LETTERS = "name: letters\ndocuments:\n  hello: {body: Good day}\n"


def written(tmp_path: Path) -> tuple[Path, Path]:
    """Write an action and a workflow that calls it."""
    project(tmp_path)
    for folder in ("actions", "config/workflows", "config/templates"):
        (tmp_path / folder).mkdir()
    file, flow = tmp_path / "actions" / "prices.py", tmp_path / "config" / "workflows" / "pricing.yaml"
    file.write_text(ACTION)
    flow.write_text(FLOW)
    return file, flow


def until(true: Callable[[], bool], within: float = 20.0) -> None:
    """Wait until something holds, which is so when another process has done it."""
    ends = time.monotonic() + within
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


def asked(server: Server, text: str) -> str:
    done = server.say("ask", "parrot", text)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def reload(server: Server) -> tuple[int, dict[str, Any]]:
    done = server.say("bots", "reload", "--json")
    return done.returncode, json.loads(done.stdout)


def test_an_operator_reloads_what_changed_and_is_told_what_came_of_it(tmp_path: Path) -> None:
    file = project(tmp_path) / "bots" / "parrot.py"
    with up(tmp_path) as server:
        assert asked(server, "a") == "OLD a1."
        file.write_text(NEW)
        assert asked(server, "b") == "OLD b2.", "nothing is loaded unless told"
        nothing: dict[str, Any] = {
            **{key: [] for key in ("started", "replaced", "stopped", "kept", "faults")},
            "actions": {"added": [], "replaced": [], "gone": [], "kept": []},
            "workflows": [],
            "templates": [],
        }
        assert reload(server) == (0, {**nothing, "replaced": ["parrot"]})
        assert asked(server, "c") == "NEW c3."
        file.write_text(BOT + "class :\n")
        code, told = reload(server)
        (fault,) = told["faults"]
        assert (code, told["kept"], fault["line"]) == (1, ["parrot"], len(BOT.splitlines()) + 1)
        assert asked(server, "d") == "NEW d4."
        people = server.say("bots", "reload")
        assert (people.returncode, people.stderr) == (1, "")
        assert f"{file}:{fault['line']}: SyntaxError" in people.stdout
        file.unlink()
        assert reload(server) == (0, {**nothing, "stopped": ["parrot"]})
        sent = json.loads(server.say("send", "parrot", "e", "--json").stdout)
        file.write_text(BOT)
        assert reload(server) == (0, {**nothing, "started": ["parrot"]})
        until(lambda: json.loads(server.say("bots", "show", "parrot", "--json").stdout)["waiting"] == 0)
        rows = json.loads(server.say("audit", "local", "parrot", "--json").stdout)["data"]
        assert [row["body"]["text"] for row in rows if row["reply_to"] == sent["id"]] == ["OLD e5."]


def test_actions_and_workflow_files_are_taken_while_the_server_runs(tmp_path: Path) -> None:
    """A step that is tried again after the reload calls the new code; what has a fault stays as it was."""
    file, flow = written(tmp_path)
    with up(tmp_path) as server:
        begun = server.say("run", "pricing", "--json")
        assert begun.returncode == 0, begun.stderr
        run = json.loads(begun.stdout)["run_id"]
        until((tmp_path / "tried").exists)
        file.write_text(ACTION.replace("raise ConnectionError", 'return "new"'))
        code, told = reload(server)
        assert (code, told["actions"]["replaced"], told["workflows"]) == (0, ["price"], [])
        shown = server.say("runs", "watch", run)
        assert shown.returncode == 0, shown.stderr
        assert json.loads(server.say("runs", "show", run, "--json").stdout)["output"] == "new"

        flow.write_text(FLOW.replace("action: price", "action: cost"))
        (tmp_path / "actions" / "more.py").write_text(ACTION.replace('"price"', '"cost"'))
        (tmp_path / "config" / "templates" / "letters.yaml").write_text(LETTERS)
        code, told = reload(server)
        assert (code, told["actions"]["added"], told["faults"]) == (0, ["cost"], [])
        assert told["workflows"] == [{"name": "pricing", "version": 2}]
        assert told["templates"] == [{"name": "letters", "version": 1}]

        file.write_text("\n1 / 0\n")
        flow.write_text(FLOW.replace("action: price", "action: prize"))
        code, told = reload(server)
        assert (code, told["actions"]["kept"], told["workflows"]) == (1, ["cost", "price"], [])
        first, second = told["faults"]
        assert (first["file"], first["line"]) == (str(file), 2)
        assert (second["file"], second["line"]) == (str(flow), FLOW.count("\n"))
        assert "ACTION_UNKNOWN" in second["message"]
        wrong, files = [
            one for one in json.loads(server.say("doctor", "--json").stdout)["checks"] if not one["ok"]
        ]
        assert (wrong["name"], files["name"]) == ("actions", "files")
        assert f"{file}:2: ZeroDivisionError" in wrong["detail"]
        assert f"{flow}:" in files["detail"]
        people = server.say("bots", "reload")
        assert f"{file}:2: ZeroDivisionError" in people.stdout
        assert "actions left alone: cost, price" in people.stdout


def test_a_watched_folder_is_loaded_again_at_each_change(tmp_path: Path) -> None:
    """The old code answers until a line says that the new one is there."""
    file = project(tmp_path) / "bots" / "parrot.py"
    with up(tmp_path, "--reload") as server:

        def reloads() -> list[dict[str, Any]]:
            return [line for line in server.lines() if line["event"] == "bots.reloaded"]

        assert asked(server, "a") == "OLD a1."
        file.write_text(NEW)
        until(lambda: [line["replaced"] for line in reloads()][-1:] == [["parrot"]])
        assert asked(server, "b") == "NEW b2."
        file.write_text("1/0\n")
        until(lambda: reloads()[-1]["faults"] == 1)
        assert asked(server, "c") == "NEW c3."
        (tmp_path / "bots" / "notes.txt").write_text("no bot")
        file.write_text(BOT)
        until(lambda: reloads()[-1]["replaced"] == ["parrot"])
        assert asked(server, "d") == "OLD d4."
        (tmp_path / "config" / "callboard.toml").write_text('[bots.parrot.settings]\nend = "!"\n')
        until(lambda: len([line for line in reloads() if line["replaced"]]) == 3)
        assert asked(server, "e") == "OLD e5!"
        (tmp_path / "config" / "callboard.toml").write_text('[bots.parrot.settings]\nedn = "?"\n')
        until(lambda: reloads()[-1]["faults"] == 1)
        assert asked(server, "f") == "OLD f6!"
        server.process.terminate()
        assert server.process.wait(15) == 0


def test_a_watched_project_takes_actions_and_workflow_files_at_each_change(tmp_path: Path) -> None:
    """Each is logged: the version that a file made, and the action that is new or has a fault."""
    file, flow = written(tmp_path)
    with up(tmp_path, "--reload") as server:

        def descriptions() -> list[str]:
            listed = json.loads(server.say("workflow", "list", "--json").stdout)["data"]
            return [one["description"] for one in listed]

        def replaced() -> list[list[str]]:
            return [line["replaced"] for line in server.lines() if line["event"] == "actions.reloaded"]

        flow.write_text(FLOW.replace("name: pricing", "name: pricing\ndescription: Newer"))
        until(lambda: descriptions() == ["Newer"])
        file.write_text("1 / 0\n")
        until(lambda: "actions.not_loaded" in server.events())
        file.write_text(ACTION + "# again\n")
        until(lambda: replaced()[-1:] == [["price"]])


def test_a_folder_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    done = say(tmp_path, "up", "--reload", "--port", "0")
    assert done.returncode == 2
    assert str(tmp_path / "bots") in done.stderr


def test_settings_of_the_file_reach_the_bot_and_wrong_ones_keep_it_down_alone(tmp_path: Path) -> None:
    project(tmp_path, '[bots.parrot.settings]\nend = "!"\n[bots.parot]\nattempts = 1\n')
    with up(tmp_path) as server:
        assert asked(server, "a") == "OLD a1!"
        (warned,) = [line for line in server.lines() if line["event"] == "bots.settings_for_nobody"]
        assert warned["bot"] == "parot"
        assert "did you mean parrot?" in warned["reason"]
    (tmp_path / "config" / "callboard.toml").write_text('[bots.parrot.settings]\nedn = "!"\n')
    with up(tmp_path) as server:
        (fault,) = [line for line in server.lines() if line["event"] == "bots.not_loaded"]
        assert fault["file"] == str(tmp_path / "config" / "callboard.toml")
        assert "bots.parrot.settings.edn" in fault["reason"]
        assert "did you mean end?" in fault["reason"]
        shown = json.loads(server.say("bots", "show", "parrot", "--json").stdout)
        assert shown["state"] == "absent"


def test_a_table_that_is_wrong_stops_the_start_with_every_fault(tmp_path: Path) -> None:
    project(tmp_path, '[bots.parrot]\natempts = 1\ntimeout = "soon"\n[bots.sage]\nkind = "llm"\n')
    done = say(tmp_path, "up", "--port", "0")
    assert done.returncode == 2
    for said in (
        "bots.parrot.atempts",
        "did you mean attempts?",
        "bots.parrot.timeout",
        "llm are not there yet",
    ):
        assert said in done.stderr
