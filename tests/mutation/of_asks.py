"""Ways in which asking could be broken; the tests of asks must notice each."""

from __future__ import annotations

from tests.mutation.mutations import Mutation

ASKS = (
    "tests/unit/runs/test_asking.py",
    "tests/unit/runs/test_asks_across_restarts.py",
    "tests/unit/runs/test_agreement.py",
)


def _broken(name: str, file: str, old: str, new: str) -> Mutation:
    return Mutation(name, file, old, new, ASKS)


OF_ASKS = (
    _broken(
        "the answers of an earlier wait count for the next one",
        "run/evolving.py",
        "    step.answers = []  # what came for an earlier wait is in this one, if it is wanted still\n",
        "",
    ),
    _broken("a deadline looks for no answers", "runs/run.py", " or is_late(message)", ""),
    _broken(
        "a question that is given up is waited for",
        "company/sitting.py",
        "                self.turn.change(AnswerAsk(message.id, self._bot, ref))",
        "                pass",
    ),
    _broken(
        "a reply that may not be sent is waited for",
        "company/sitting.py",
        "                self.turn.change(AnswerAsk(want.reply_to, self._bot, ref))",
        "                pass",
    ),
    _broken("questions stay open", "runs/runturn.py", ", *closed(want.wait)]", "]"),
    _broken(
        "a question asks for no answer",
        "runs/runturn.py",
        "asks=str(said.id) in self._questions",
        "asks=False",
    ),
    _broken(
        "an answer to any question of the step counts",
        "runs/asked.py",
        "questions(wait).get(told.asked) != answer.wait.key",
        "False",
    ),
    _broken("rounding decides at the threshold", "steps/ask.py", " - NEARLY", ""),
    _broken(
        "answers stand in the order in which they came",
        "steps/ask.py",
        "for bot in asked.bots if bot in answers",
        "for bot in answers",
    ),
    _broken(
        "more are asked than may be",
        "steps/ask.py",
        "raters[len(asked.bots) - len(first) : said.max]",
        "raters[len(asked.bots) - len(first) :]",
    ),
    _broken(
        "a further rater counts not as asked", "steps/ask.py", "asked=asked.asked + 1", "asked=asked.asked"
    ),
    _broken(
        "an adjudicator is unknown only once he is needed",
        "steps/ask.py",
        "work.house.must_know([said.adjudicator])",
        "pass",
    ),
    _broken(
        "an odd reply ends the run's actor", "steps/ask.py", "except RecursionError:", "except KeyError:"
    ),
)
