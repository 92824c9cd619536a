"""Loading of `bots/`: what is found, and what a file that is wrong is told."""

from __future__ import annotations

from pathlib import Path

from callboard.loading import load

GOOD = '''
from callboard import Body, Bot, Memory, Turn, on

class Note(Body):
    text: str

class Kept(Memory):
    count: int = 0

class TicketDesk(Bot):
    """Takes tickets."""
    memory: Kept

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        pass
'''


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_every_bot_of_every_file_is_found_under_its_name(tmp_path: Path) -> None:
    found, faults = load(write(tmp_path, a=GOOD, b=GOOD.replace("TicketDesk", "Other"), _c="1/0"))
    assert [(one.shape.name, one.shape.description) for one in found] == [
        ("other", "Takes tickets."),
        ("ticket-desk", "Takes tickets."),
    ]
    assert faults == []


def test_a_folder_that_is_not_there_holds_no_bots(tmp_path: Path) -> None:
    assert load(tmp_path / "bots") == ([], [])


def test_a_file_that_does_not_import_is_told_with_its_line_and_the_rest_load(tmp_path: Path) -> None:
    found, faults = load(
        write(tmp_path, good=GOOD, syntax="x = 1\nclass :\n", fails="import math\n\nmath.nothing\n")
    )
    assert [one.shape.name for one in found] == ["ticket-desk"]
    assert [(fault.file.name, fault.line) for fault in faults] == [("fails.py", 3), ("syntax.py", 2)]
    assert "nothing" in faults[0].message
    assert faults[1].message.startswith("SyntaxError")


def test_two_bots_of_one_name_are_both_left_out_and_both_named(tmp_path: Path) -> None:
    found, faults = load(write(tmp_path, one=GOOD, two=GOOD))
    assert found == []
    assert "one.py" in str(faults[0])
    assert "two.py" in str(faults[0])
    assert "ticket-desk" in str(faults[0])


def test_a_class_that_cannot_be_a_bot_is_told_what_is_wrong_with_it(tmp_path: Path) -> None:
    bad = GOOD.replace("    memory: Kept\n", '    memory: Kept\n    subscribes = "notes"\n')
    found, faults = load(write(tmp_path, bad=bad))
    assert found == []
    assert "subscribes" in faults[0].message


def test_files_may_share_what_they_say_with_each_other(tmp_path: Path) -> None:
    shared = "from callboard import Body\n\nclass Note(Body):\n    text: str\n"
    own = GOOD.replace("class Note(Body):\n    text: str\n", "from callboard_bots._shared import Note\n")
    found, faults = load(write(tmp_path, _shared=shared, a=own))
    assert faults == []
    assert [one.shape.name for one in found] == ["ticket-desk"]
