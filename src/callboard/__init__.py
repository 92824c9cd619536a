"""Callboard: actors that talk and pipelines that run, with one durable log under both.

The house in reading order; a file imports only from those before it:

    errors  clock  ids                                the error tree, time, the types of ids
    retry  spelling  units  config  logs  folder      settings, log lines, the data folder
    messages                                          what bots say, and how everything is named
    expressions/  consensus                           templates and conditions; how far answers agree
    schedule  workflow/                               when something fires; a workflow as its author writes it
    step  questions  catalogue  graph  plan  schema   kinds of steps, and what a run lives on
    checking/                                         everything that is wrong with a workflow, at once
    facts  membership  mishaps  publishing            what a stream holds, and how it stays readable
    outcome  events  run/                             what an attempt comes to, and what that makes of a run
    handling  bot  loading  registering               what an author of bots subclasses, and how it is found
    steps/                                            how each kind of step is carried out
    run_changes  changes  turn                        what one actor wants to be true at once
    runrows  store                                    the port: facts in, facts out
    fold  run_projections  projections                from facts to states and rows
    stores/                                           adapters of the port
    actors/                                           the runtime, supervision, timers, the journal
    company/  runs/                                   those who talk, and those who carry out runs
    shelf  publisher  drafting                        from workflow files to versions and plans; drafts
    web/                                              the door, and the client that knocks
    desk  app  offline                                who answers, the wiring, work without a server
    bench/  testing/  cli/                            measuring, testing, the command line
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callboard.authoring.bot import Bot, Memory, Settings, Turn, every, on, otherwise
    from callboard.messages import Answer, Ask, Body, Message
    from callboard.planning.step import action, this_attempt
else:

    def __getattr__(name: str) -> object:
        """Bring what authors import, when they do: `callboard --help` has no use for it."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - see above

        home = _HOMES.get(name, "authoring.bot")
        return getattr(import_module(f"{__name__}.{home}"), name)

    _HOMES = {
        **dict.fromkeys(("Answer", "Ask", "Body", "Message"), "messages"),
        **dict.fromkeys(("action", "this_attempt"), "planning.step"),
    }


__all__ = [
    "Answer",
    "Ask",
    "Body",
    "Bot",
    "Memory",
    "Message",
    "Settings",
    "Turn",
    "action",
    "every",
    "on",
    "otherwise",
    "this_attempt",
]
