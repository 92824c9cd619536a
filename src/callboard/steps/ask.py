"""Ask: bots or people answer one question, and their answers become one.

    asked ──▶ enough answers, or the deadline ──▶ at or above the threshold: the majority's answer
                                                  below it: what `resolve` says, which is the majority's all
                                                  the same, that of most weight, one rater more, an
                                                  adjudicator, or failure

Every question is a message of its own, with a row that its reply resolves in the turn of whoever answers. So
a rater has one answer, the first, and it counts from then on whether the run was awake or not. What is not
resolved is asked on: another rater, or the adjudicator, is a further wait of the same step.

`ask` begins; `taken` is told of a reply, or of a question that was given up; `late` of the deadline. All
three are pure but for the messages that they say. What a wait is about, with the answers of those before it,
is in its `Asked`; what came for it is kept by the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec

from callboard import messages
from callboard.errors import BadInput, MessageTooLarge, RecipientUnknown
from callboard.facts import encode
from callboard.messages import To
from callboard.outcome import Agreement, Done, Fail, Failure, Outcome, Wait
from callboard.planning.questions import Ask, answerable, immeasurable
from callboard.steps.agreeing import chosen, measure
from callboard.steps.replies import Given, given
from callboard.steps.work import Work
from callboard.units import seconds

MOST_BYTES = 2 << 20
"""Of all questions that are asked at once: they are sent in one turn."""

NEARLY = 1e-9
"""An agreement that is so little below the threshold is at it: it was reckoned with rounding."""

_ENOUGH = "It had not answered when the others were enough."


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a wait of the step is about."""

    questions: dict[str, str]
    """The ids of the questions that are open with it, by the bot that was asked."""
    stage: Literal["raters", "more", "adjudicator"] = "raters"
    bots: list[str] = []
    """All raters so far, in the order in which they are named."""
    asked: int = 0
    """How many answers have been asked for."""
    answers: dict[str, Any] = {}
    """Those that came for earlier waits."""
    missing: dict[str, str] = {}
    agreement: float = 0.0
    """What the adjudicator is to decide about."""


def ask(work: Work) -> Outcome:
    """Ask all bots, and wait."""
    wanted = _read(work)
    bots = _bots(wanted)
    said = work.consensus
    deciders = {said.resolve, said.fallback if said.resolve == "more" else said.resolve}
    work.house.must_know([*bots, *(said.raters if "more" in deciders else [])])
    if said.adjudicator is not None and ("adjudicator" in deciders or said.ties == "escalate"):
        work.house.must_know([said.adjudicator])
    question = messages.Ask(wanted.question, msgspec.to_builtins(wanted.answer))
    asked = Asked(_put(work, bots, question), bots=bots, asked=wanted.answers or len(bots))
    return _wait(work, wanted, asked)


def _read(work: Work) -> Ask:
    """Return the parameters, with what only the rendered ones show."""
    wanted = work.read(Ask)
    for path, _, said in answerable(msgspec.to_builtins(wanted)):
        raise BadInput(f"with.{'.'.join(map(str, path))}: {said}")
    wrong = immeasurable(work.consensus, msgspec.to_builtins(wanted.answer))
    if wrong:
        raise BadInput(f"consensus: {wrong}")
    return wanted


def _bots(wanted: Ask) -> list[str]:
    return wanted.bots if isinstance(wanted.bots, list) else [wanted.bots]


def _put(work: Work, bots: Sequence[str], question: messages.Ask) -> dict[str, str]:
    """Ask bots, and return the ids of the questions."""
    size = len(encode(question).encode())
    if size * len(bots) > MOST_BYTES:
        said = (
            f"A question of {size:,} bytes to {len(bots)} bots is more than the {MOST_BYTES:,} that are sent"
        )
        raise MessageTooLarge(f"{said} at once: ask a shorter one, that says where the rest is.")
    return {bot: str(work.say(To.bot(bot), messages.Ask.type, question)) for bot in bots}


def _wait(work: Work, wanted: Ask, asked: Asked) -> Outcome:
    data = msgspec.to_builtins(asked)
    if len(encode(data)) > work.house.output_bytes // 2:
        work.says.clear()
        said = "All answers together are more than a step may hold: ask for shorter ones."
        return Fail(Failure("OUTPUT_TOO_LARGE", said))
    return Wait("answer", until=work.now + timedelta(seconds=seconds(wanted.deadline)), data=data)


# ── what comes ───────────────────────────────────────────────────────────────────────────────────────────


def heard(work: Work, body: msgspec.Raw) -> dict[str, Any]:
    """Return what a reply comes to: an answer, or why it is missing."""
    wanted = work.read(Ask).answer
    try:
        found = given(wanted, msgspec.json.decode(body))
    except RecursionError:
        found = "Its answer is nested too deep to be read."
    return {"answer": found.value} if isinstance(found, Given) else {"missing": found}


def taken(work: Work, wait: Wait, got: Mapping[str, Mapping[str, Any]]) -> Outcome | None:
    """Return what follows once these replies have come, by bot; None if others are waited for."""
    wanted, asked = work.read(Ask), msgspec.convert(wait.data, Asked)
    enough = wanted.answers or len(asked.questions)
    count = sum("answer" in one for one in got.values())
    if len(got) < len(asked.questions) and count < enough:
        return None
    return _count(work, wanted, asked, got, _ENOUGH)


def late(work: Work, wait: Wait, got: Mapping[str, Mapping[str, Any]]) -> Outcome:
    """Return what follows at the deadline: what has come by then is what counts."""
    wanted = work.read(Ask)
    why = f"It did not answer within {wanted.deadline}."
    return _count(work, wanted, msgspec.convert(wait.data, Asked), got, why)


def _count(work: Work, wanted: Ask, asked: Asked, got: Mapping[str, Mapping[str, Any]], why: str) -> Outcome:
    if asked.stage == "adjudicator":
        return _adjudicated(work, asked, got, why)
    answers = {**asked.answers, **{bot: one["answer"] for bot, one in got.items() if "answer" in one}}
    missing = {**dict.fromkeys(asked.questions, why), **asked.missing}
    missing |= {bot: one["missing"] for bot, one in got.items() if "missing" in one}
    asked = msgspec.structs.replace(
        asked,
        answers={bot: answers[bot] for bot in asked.bots if bot in answers},
        missing={bot: missing[bot] for bot in asked.bots if bot not in answers},
    )
    if len(answers) < wanted.min_answers:
        said = f"{len(answers)} of {len(asked.bots)} answered, and {wanted.min_answers} had to."
        return Fail(Failure("ASK_UNANSWERED", said, {"answers": asked.answers, "missing": asked.missing}))
    return _resolve(work, wanted, asked)


# ── what it comes to ─────────────────────────────────────────────────────────────────────────────────────


def _resolve(work: Work, wanted: Ask, asked: Asked) -> Outcome:
    said = work.consensus
    agreement = measure(said, wanted.answer, asked.answers, asked.asked).value
    asked = msgspec.structs.replace(asked, agreement=agreement)
    how = "majority" if agreement >= said.threshold - NEARLY else said.resolve
    if how == "more":
        found = _one_more(work, wanted, asked)
        if isinstance(found, Asked):
            asked, how = found, said.fallback
        else:
            return found
    if how == "fail":
        told = f"The answers agree by {agreement:.3g} ({said.metric}), and {said.threshold:g} is wanted."
        return Fail(Failure("NO_CONSENSUS", told, _told(asked)))
    if how != "adjudicator":
        best = chosen(wanted.answer, asked.answers, said.weights if how == "weighted" else None)
        if not best.tied or said.ties == "first":
            return _done(work, asked, best.value, "first" if best.tied else how)
    return _adjudicate(work, wanted, asked)


def _one_more(work: Work, wanted: Ask, asked: Asked) -> Outcome | Asked:
    """Ask the next rater that can be asked; if there is none, return how it stands."""
    said, first = work.consensus, _bots(wanted)
    raters = [one for one in dict.fromkeys(said.raters) if one not in first]
    for rater in raters[len(asked.bots) - len(first) : said.max]:
        asked = msgspec.structs.replace(asked, bots=[*asked.bots, rater])
        question = messages.Ask(wanted.question, msgspec.to_builtins(wanted.answer))
        try:
            questions = _put(work, [rater], question)
        except RecipientUnknown as error:
            asked = msgspec.structs.replace(asked, missing={**asked.missing, rater: error.message})
            continue
        asked = msgspec.structs.replace(asked, questions=questions, stage="more", asked=asked.asked + 1)
        return _wait(work, wanted, asked)
    return asked


def _adjudicate(work: Work, wanted: Ask, asked: Asked) -> Outcome:
    judge = work.consensus.adjudicator or ""
    question = messages.Ask(
        wanted.question, msgspec.to_builtins(wanted.answer), asked.answers, asked.missing, asked.agreement
    )
    questions = _put(work, [judge], question)
    return _wait(work, wanted, msgspec.structs.replace(asked, questions=questions, stage="adjudicator"))


def _adjudicated(work: Work, asked: Asked, got: Mapping[str, Mapping[str, Any]], why: str) -> Outcome:
    for one in got.values():
        if "answer" in one:
            return _done(work, asked, one["answer"], "adjudicator")
        why = one["missing"]
    said = f"{work.consensus.adjudicator}, who was to decide, gave no answer: {why}"
    return Fail(Failure("ASK_UNANSWERED", said, _told(asked)))


def _told(asked: Asked) -> dict[str, Any]:
    return {"answers": asked.answers, "missing": asked.missing, "agreement": asked.agreement}


def _done(work: Work, asked: Asked, result: Any, by: str) -> Done:  # noqa: ANN401 - whatever was asked for
    metric = work.consensus.metric
    output = {**_told(asked), "metric": metric, "result": result, "resolved_by": by}
    return Done(output, agreement=Agreement(asked.agreement, metric, by))
