"""Approval: people approve or reject, and exactly one decision wins.

A rejection fails the step with the code `REJECTED`. It could have been an output, to be looked at by the
edges that follow; but then whoever forgot to look would have what was rejected done.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec

from callboard.errors import Conflict, Denied
from callboard.outcome import Done, Fail, Failure, Outcome, Wait
from callboard.planning import catalogue
from callboard.steps.work import Work
from callboard.units import seconds

Word = Literal["approve", "reject"]


class Asked(msgspec.Struct, frozen=True):
    """What is asked of whom; it stands in the step's wait."""

    approvers: list[str]
    needed: int
    message: str


def ask(work: Work) -> Outcome:
    """Wait for people to decide."""
    given = work.read(catalogue.Approval)
    approvers = given.approvers if isinstance(given.approvers, list) else [given.approvers]
    asked = Asked(list(dict.fromkeys(approvers)), given.needed, given.message)
    if asked.needed > len(asked.approvers):
        said = f"{asked.needed} approvals are needed, and only {len(asked.approvers)} may decide."
        return Fail(Failure("APPROVAL_IMPOSSIBLE", said))
    if given.expires is None:
        return Wait("approval", data=msgspec.to_builtins(asked))
    late: Done | Fail = Fail(Failure("WAIT_EXPIRED", f"Nobody decided within {given.expires}."))
    if given.default == "approve":
        late = Done(_approved([], "", expired=True))
    elif given.default == "reject":
        late = Fail(Failure("REJECTED", f"Nobody decided within {given.expires}, which is a rejection."))
    until = work.now + timedelta(seconds=seconds(given.expires))
    return Wait("approval", until=until, expired=late, data=msgspec.to_builtins(asked))


def decided(
    wait: Wait, before: Sequence[dict[str, Any]], by: str, word: Word, comment: str
) -> Done | Fail | None:
    """Return what a decision makes of the step, None if more are needed; refuse who may not decide.

    `before` is what others have decided already.
    """
    asked = msgspec.convert(wait.data, Asked)
    if by not in asked.approvers:
        who = " and ".join(asked.approvers)
        raise Denied(f"{by} may not decide this: {who} may.", approvers=asked.approvers)
    earlier = [one["by"] for one in before]
    if by in earlier:
        raise Conflict(f"{by} has decided this already; it still waits for others.")
    if word == "reject":
        said = f"{by} rejected it{': ' + comment if comment else ''}."
        return Fail(Failure("REJECTED", said, {"by": by, "comment": comment}))
    if len(earlier) + 1 < asked.needed:
        return None
    return Done(_approved([*earlier, by], comment, expired=False))


def _approved(by: list[str], comment: str, *, expired: bool) -> dict[str, Any]:
    return {"approved": True, "by": by, "comment": comment, "expired": expired}
