"""The listed mutations can all be made: whoever changes the code they break is told at once."""

from __future__ import annotations

from tests.mutation.run import ALL, ROOT


def test_the_text_of_each_mutation_stands_exactly_once_in_its_file() -> None:
    source = ROOT / "src" / "callboard"
    stale = [
        one.name
        for one in ALL
        if (source / one.file).read_text("utf-8").count(one.old) != 1 or one.old == one.new
    ]
    assert stale == [], "write these anew"
    assert len({one.name for one in ALL}) == len(ALL), "names are used to choose among them"
    missing = {
        test for one in ALL for test in one.tests if "/" in test and not (ROOT / test.split("::")[0]).exists()
    }
    assert missing == set()
