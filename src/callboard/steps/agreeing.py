"""Agreeing: how far the answers to one question agree, and which answer they come to.

    measure(said, wanted, {"ann": "pay", "ben": "refuse"}, asked=3)      # by the metric of the step
    chosen(wanted, {"ann": "pay", "ben": "refuse"}, weights={"ann": 2})  # Chosen("pay", tied=False)

Answers stand in the order in which their raters are named, and so the first of equals is the answer of
whoever is named first, however quick the others were. Where answers are lists, each unit is chosen by itself.
Of shapes the one is chosen that shares most with all.

One question gives the metrics that are corrected for chance little to measure: they say 1 where all agree,
and 0 or less where not all do. Fleiss' kappa is taken over the units that everybody has answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from math import isclose
from typing import Any

import msgspec

from callboard import consensus
from callboard.consensus import Agreement
from callboard.planning.questions import Answer
from callboard.steps.replies import category
from callboard.workflow.definition import Consensus

Row = list[consensus.Answer | None]
Scale = Sequence[consensus.Answer] | None
"""What answers may be, from one end to the other; None where that is not said."""

_PAIR = 2


class Chosen(msgspec.Struct, frozen=True):
    """The answer that most are for."""

    value: Any
    tied: bool
    """Others have as many."""


def measure(said: Consensus, wanted: Answer, answers: Mapping[str, Any], asked: int) -> Agreement:
    """Return how far answers agree; `asked` is how many were asked for."""
    if said.metric == "iou":
        return consensus.mean_iou(answers)
    rows = {bot: _row(wanted, answer) for bot, answer in answers.items()}
    order: Scale = None if wanted.choices is None else [category(one) for one in wanted.choices]
    if said.metric == "percent":
        return _percent(rows, wanted.units or 1, asked)
    if said.metric == "krippendorff":
        return consensus.krippendorff(rows, said.level, order)
    if said.metric == "fleiss":
        return consensus.fleiss(_whole(rows))
    return _of_two(said, rows, order)


def _of_two(said: Consensus, rows: Mapping[str, Row], order: Scale) -> Agreement:
    if len(rows) != _PAIR:
        return Agreement(0.0, 0)
    if said.metric == "cohen":
        return consensus.cohen(rows)
    return consensus.weighted_cohen(rows, said.weighting, order)


def _row(wanted: Answer, answer: Any) -> Row:  # noqa: ANN401 - it is any value that was asked for
    answers = [answer] if wanted.units is None else answer
    return [None if one is None else category(one) for one in answers]


def _percent(rows: Mapping[str, Row], units: int, asked: int) -> Agreement:
    shares = [
        consensus.percent({bot: row[unit] for bot, row in rows.items()}, asked).value for unit in range(units)
    ]
    return Agreement(sum(shares) / units, len(rows) if units == 1 else units)


def _whole(rows: Mapping[str, Row]) -> dict[str, Row]:
    """Leave out the units that somebody has not answered."""
    whole = [None not in unit for unit in zip(*rows.values(), strict=True)]
    return {bot: list(compress(row, whole)) for bot, row in rows.items()}


# ── which one ────────────────────────────────────────────────────────────────────────────────────────────


def chosen(wanted: Answer, answers: Mapping[str, Any], weights: Mapping[str, float] | None = None) -> Chosen:
    """Return the answer that has the most raters, or the most weight; who has none said of him counts 1."""
    counts = [1.0 if weights is None else weights.get(bot, 1.0) for bot in answers]
    given = list(answers.values())
    if wanted.shape is not None:
        return _nearest(given, counts)
    if wanted.units is None:
        return _commonest(given, counts)
    units = [_commonest([one[unit] for one in given], counts) for unit in range(wanted.units)]
    return Chosen([one.value for one in units], any(one.tied for one in units))


def _commonest(given: Sequence[Any], counts: Sequence[float]) -> Chosen:
    first: dict[str | float, Any] = {}
    weight: dict[str | float, float] = {}
    for answer, count in zip(given, counts, strict=True):
        if answer is not None:
            kind = category(answer)
            first.setdefault(kind, answer)
            weight[kind] = weight.get(kind, 0.0) + count
    if not first:
        return Chosen(None, tied=False)
    most = max(weight.values())
    best = [kind for kind, one in weight.items() if isclose(one, most)]
    return Chosen(first[best[0]], len(best) > 1)


def _nearest(given: Sequence[Sequence[float]], counts: Sequence[float]) -> Chosen:
    shared = [
        sum(count * consensus.iou(one, other) for other, count in zip(given, counts, strict=True))
        for one in given
    ]
    most = max(shared)
    best = [one for one, share in zip(given, shared, strict=True) if isclose(share, most)]
    return Chosen(best[0], any(one != best[0] for one in best))
