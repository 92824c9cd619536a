"""What goes wrong inside an evaluation, before anybody knows where it stood.

These never leave the package: `rendering` turns them into an `ExpressionFailed` that names the place.
"""

from __future__ import annotations


class Fault(Exception):
    """An evaluation cannot go on; the text is half a sentence that follows the place."""


class Absent(Fault):
    """A value that is not there was used; a condition and an `output` treat this apart."""
