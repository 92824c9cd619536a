"""Questions: what an ask is given, what its answers may be, and how its raters can be measured.

    Answer(choices=["pay", "refuse"])       one of these
    Answer(number={"min": 0, "max": 10})    a number
    Answer(text=True)                       a text
    Answer(shape="span")                    `[start, end]`; a box is `[left, top, right, bottom]`

With `units` an answer is a list: one answer for each of so many things, null where the rater has none. Only
over several things can agreement be told from chance, and of shapes only overlaps can be measured, so not
every metric goes with every answer (`immeasurable`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from callboard.planning.step import Complaint, Parameters
from callboard.workflow import is_template
from callboard.workflow.definition import BotName, Consensus, TimeOut

FORMS = ("choices", "number", "text", "shape")
MOST_UNITS = 1_000
MOST_BOTS = 200
"""Who is asked at once: all questions stand in one turn."""

Share = Annotated[int, Meta(ge=1, le=1_000)]


class Answer(Parameters, omit_defaults=True):
    """What answers may be: one of the four, or a list of it."""

    choices: Annotated[Annotated[list[Any], Meta(min_length=1)] | None, Meta(description="One of these.")] = (
        None
    )
    number: Annotated[
        bool | dict[Literal["min", "max"], float] | None, Meta(description="A number, in bounds if told.")
    ] = None
    text: Annotated[bool | None, Meta(description="A text, trimmed and in small letters.")] = None
    shape: Annotated[
        Literal["span", "box"] | None, Meta(description="[start, end], or [left, top, right, bottom].")
    ] = None
    units: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_UNITS)] | None,
        Meta(description="An answer is a list: one for each of so many things."),
    ] = None


class Ask(Parameters):
    """Asks bots or people one question and waits for their answers."""

    bots: Annotated[
        Annotated[list[BotName], Meta(min_length=1, max_length=MOST_BOTS)] | BotName,
        Meta(description="Who is asked."),
    ]
    question: Annotated[Any, Meta(description="The question.")]
    answer: Annotated[Answer, Meta(description="What answers may be.")]
    answers: Annotated[Share | None, Meta(description="How many are waited for; all if not told.")] = None
    min_answers: Annotated[Share, Meta(description="With fewer the step fails.")] = 1
    deadline: Annotated[TimeOut, Meta(description="How long they are waited for.")] = "1h"


def answerable(given: Mapping[str, Any]) -> Iterator[Complaint]:
    """Tell what is wrong with the parameters of an ask, as far as they are written out."""
    answer, bots = given.get("answer"), given.get("bots")
    if isinstance(answer, dict):
        yield from _one_form(answer)
    if isinstance(bots, list):
        names = [bot for bot in bots if isinstance(bot, str) and not is_template(bot)]
        if len(set(names)) < len(names):
            yield ("bots",), "WRONG_VALUE", "A bot stands here twice, and one rater counts once."
    asked = len(bots) if isinstance(bots, list) else 1 if isinstance(bots, str) else None
    for key in ("answers", "min_answers"):
        wanted = given.get(key)
        if asked is not None and not is_template(bots) and isinstance(wanted, int) and wanted > asked:
            yield (key,), "OUT_OF_BOUNDS", f"{wanted} answers are more than the {asked} who are asked."
    answers, least = given.get("answers"), given.get("min_answers")
    if isinstance(answers, int) and isinstance(least, int) and least > answers:
        yield ("min_answers",), "OUT_OF_BOUNDS", f"{least} is more than the {answers} that are waited for."


def _one_form(answer: Mapping[str, Any]) -> Iterator[Complaint]:
    forms = [form for form in FORMS if answer.get(form) is not None and answer[form] is not False]
    if len(forms) != 1:
        yield ("answer",), "WRONG_VALUE", "An answer is one of choices, number, text and shape."
    if "shape" in forms and answer.get("units") is not None:
        yield ("answer", "units"), "WRONG_VALUE", "A shape is one answer: it has no units."
    bounds = answer.get("number")
    if isinstance(bounds, dict):
        least, most = bounds.get("min"), bounds.get("max")
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
            said = f"No number is at least {least:g} and at most {most:g}."
            yield ("answer", "number"), "WRONG_VALUE", said


def immeasurable(said: Consensus, answer: Mapping[str, Any]) -> str:
    """Say why a metric cannot measure such answers, or nothing."""
    shape = answer.get("shape") is not None
    if shape and said.metric != "iou":
        return f"Only iou measures how far shapes agree, and the metric is {said.metric}."
    if said.metric == "iou" and not shape:
        return "iou measures spans and boxes: its answers are {shape: span} or {shape: box}."
    interval = said.metric == "krippendorff" and said.level == "interval"
    choices = answer.get("choices")
    numbers = isinstance(choices, list) and all(is_number(one) or is_template(one) for one in choices)
    if interval and not (answer.get("number") or numbers or is_template(choices)):
        return "The level interval measures distances between numbers, and these answers are none."
    return ""


def is_number(value: object) -> bool:
    """Whether a value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
