"""Two bots that the workflow `claims` asks what to do with a claim, each with a mind of its own."""

from __future__ import annotations

from callboard import Answer, Ask, Bot, Turn, on


class Careful(Bot):
    """Pays up to 500."""

    @on(Ask)
    async def judge(self, ask: Ask, _turn: Turn) -> Answer:
        """Answer with one of the choices; the reason is for whoever reads the log."""
        return Answer("pay" if ask.question["amount"] <= 500 else "refuse", "It pays 500 at most.")


class Generous(Bot):
    """Pays up to 5,000."""

    @on(Ask)
    async def judge(self, ask: Ask, _turn: Turn) -> Answer:
        """Answer with one of the choices; the reason is for whoever reads the log."""
        return Answer("pay" if ask.question["amount"] <= 5_000 else "refuse", "It pays 5,000 at most.")
