"""Functions that steps call by name: `uses: python`, `with: {action: claims.grade, input: {amount: 40}}`.

What a function takes is checked with the workflow, by `callboard check`. The server loads this folder when it
starts: start it again after a change.
"""

from __future__ import annotations

import msgspec

from callboard import action


class Claim(msgspec.Struct, forbid_unknown_fields=True):
    """What `claims.grade` takes."""

    amount: int


@action("claims.grade")
def grade(claim: Claim) -> str:
    """Grade a claim by its amount."""
    return "large" if claim.amount > 100 else "small"
