"""Loading of `bots/`: what is found, and what a file that is wrong is told."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from callboard.authoring.loading import MODULES, Found, Library, load

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
    assert [(Path(fault.file).name, fault.line) for fault in faults] == [("fails.py", 3), ("syntax.py", 2)]
    assert "nothing" in faults[0].message
    assert faults[1].message.startswith("SyntaxError")


def test_a_script_that_ends_the_process_is_a_fault_and_ends_nothing(tmp_path: Path) -> None:
    found, faults = load(write(tmp_path, good=GOOD, script="import sys\n\nsys.exit(3)\n"))
    assert [one.shape.name for one in found] == ["ticket-desk"]
    assert (faults[0].line, faults[0].message) == (3, "SystemExit: 3")


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


def classes(found: Found) -> dict[str, type]:
    return {one.shape.name: one.cls for one in found.bots}


def test_what_did_not_change_keeps_its_very_class_and_what_did_has_another(tmp_path: Path) -> None:
    library = Library(write(tmp_path, a=GOOD, b=GOOD.replace("TicketDesk", "Other")))
    first = classes(library.read())
    assert classes(library.read()) == first
    write(tmp_path, b=GOOD.replace("TicketDesk", "Other") + "# changed\n")
    second = classes(library.read())
    assert second["ticket-desk"] is first["ticket-desk"]
    assert second["other"] is not first["other"]


def test_a_file_saved_twice_within_a_second_is_read_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its compiled copy would be taken for that of the second text: same second, same length."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    library = Library(write(tmp_path, a=GOOD))
    library.read()
    write(tmp_path, a=GOOD.replace("Takes tickets.", "Bakes tickets"))
    assert [one.shape.description for one in library.read().bots] == ["Bakes tickets"]
    assert not (tmp_path / "__pycache__").exists()


def test_a_change_in_what_is_shared_changes_all(tmp_path: Path) -> None:
    own = "from callboard_bots._shared import WORD\n" + GOOD.replace("Takes tickets.", "x").replace(
        '"""x"""', "__doc__ = WORD"
    )
    library = Library(write(tmp_path, _shared="WORD = 'one'\n", a=own, b=GOOD.replace("TicketDesk", "Other")))
    first = library.read()
    write(tmp_path, _shared="WORD = 'two'\n")
    second = library.read()
    assert [one.shape.description for one in first.bots] == ["Takes tickets.", "one"]
    assert [one.shape.description for one in second.bots] == ["Takes tickets.", "two"]
    assert classes(first)["other"] is not classes(second)["other"]


def test_a_file_that_imports_from_another_changes_with_it(tmp_path: Path) -> None:
    own = GOOD.replace("TicketDesk", "Other").replace(
        "class Note(Body):\n    text: str\n", "from callboard_bots.a import Note\n"
    )
    library = Library(write(tmp_path, a=GOOD, b=own, c=GOOD.replace("TicketDesk", "Third")))
    first = classes(library.read())
    write(tmp_path, a=GOOD + "# changed\n")
    second = classes(library.read())
    assert {name for name in first if first[name] is second[name]} == {"third"}


def test_of_bots_whose_file_has_a_fault_nobody_can_tell_and_their_module_stays(tmp_path: Path) -> None:
    library = Library(write(tmp_path, a=GOOD, b=GOOD.replace("TicketDesk", "Other")))
    first = classes(library.read())
    module = sys.modules[f"{MODULES}.a"]
    for _ in range(2):  # a fault is told again, as long as it is there
        write(tmp_path, a=GOOD + "class :\n")
        found = library.read()
        assert (list(classes(found)), list(found.unclear)) == (["other"], ["ticket-desk"])
        assert len(found.faults) == 1
        assert found.unclear["ticket-desk"] is found.faults[0]
        assert sys.modules[f"{MODULES}.a"] is module
    write(tmp_path, a=GOOD)
    found = library.read()
    assert found.unclear == {}
    assert classes(found)["ticket-desk"] is not first["ticket-desk"]


def test_one_wrong_class_of_a_file_hides_itself_alone(tmp_path: Path) -> None:
    other = GOOD.partition("class TicketDesk")[2].replace("(Bot)", "class Other(Bot)", 1)
    library = Library(write(tmp_path, a=GOOD + "\n" + other))
    assert list(classes(library.read())) == ["other", "ticket-desk"]
    write(tmp_path, a=GOOD + "\n" + other.replace("memory: Kept", "attempts = 0"))
    found = library.read()
    assert (list(classes(found)), list(found.unclear)) == (["ticket-desk"], ["other"])


def test_a_second_bot_of_a_name_hides_the_first(tmp_path: Path) -> None:
    library = Library(write(tmp_path, a=GOOD))
    library.read()
    found = Library(write(tmp_path, a=GOOD, b=GOOD)).read()
    assert (found.bots, list(found.unclear)) == ([], ["ticket-desk"])


def test_a_file_that_is_gone_is_gone_for_those_who_import_from_it_too(tmp_path: Path) -> None:
    own = GOOD.replace("TicketDesk", "Other").replace(
        "class Note(Body):\n    text: str\n", "from callboard_bots.a import Note\n"
    )
    library = Library(write(tmp_path, a=GOOD, b=own))
    assert library.read().faults == []
    (tmp_path / "a.py").unlink()
    found = library.read()
    assert (found.bots, list(found.unclear)) == ([], ["other"])
    assert "callboard_bots.a" in found.faults[0].message


def test_what_the_old_code_says_is_read_as_it_was_written_though_the_new_is_there(tmp_path: Path) -> None:
    """Annotations are text, and would be looked up in the module that has the name now."""
    text = GOOD.replace(
        "class Note(Body):\n    text: str",
        "class Word(Body):\n    text: str\n\n\n"
        "class Note(Body):\n    text: str\n\n\nclass Two(Body):\n    word: Word",
    )
    library = Library(write(tmp_path, a="from __future__ import annotations\n" + text))
    library.read()
    two = vars(sys.modules[f"{MODULES}.a"])["Two"]
    write(tmp_path, a=GOOD)
    library.read()
    assert msgspec.json.decode('{"word":{"text":"x"}}', type=two).word.text == "x"
