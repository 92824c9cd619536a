"""The jurors: three bots that workflows ask what to do with a claim, each with a mind of its own.

A workflow asks with an `Ask`, and who replies with an `Answer` is one of its raters. `refunds.yaml` in
config/workflows/ asks all three.

    callboard run refunds --input who=ann --input amount=40 --watch
    callboard ask strict '{"question": {"who": "ann", "amount": 40}}' --type ask
"""

from __future__ import annotations

from callboard import Answer, Ask, Bot, Settings, Turn, on


class Mind(Settings):
    """What a juror goes by; `[bots.strict.settings]` in config/callboard.toml says otherwise."""

    most: float = 100.0
    """What it would pay, at most."""


class StrictMind(Mind):
    """Pays little."""

    most: float = 20.0


class GenerousMind(Mind):
    """Pays much."""

    most: float = 500.0


def verdict(ask: Ask, most: float) -> Answer:
    """Say pay or refuse; of what is no claim, nothing."""
    amount = ask.question.get("amount") if isinstance(ask.question, dict) else None
    if not isinstance(amount, int | float):
        return Answer(None, "This is no claim: it has no amount.")
    return Answer("pay" if amount <= most else "refuse", f"It pays {most:g} at most.")


class Fair(Bot):
    """Pays what is usual."""

    settings: Mind

    @on(Ask)
    async def judge(self, ask: Ask, _turn: Turn) -> Answer:
        """Decide by the amount."""
        return verdict(ask, self.settings.most)


class Strict(Bot):
    """Pays little."""

    settings: StrictMind

    @on(Ask)
    async def judge(self, ask: Ask, _turn: Turn) -> Answer:
        """Decide by the amount."""
        return verdict(ask, self.settings.most)


class Generous(Bot):
    """Pays much."""

    settings: GenerousMind

    @on(Ask)
    async def judge(self, ask: Ask, _turn: Turn) -> Answer:
        """Decide by the amount."""
        return verdict(ask, self.settings.most)
