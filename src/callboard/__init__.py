"""Callboard: actors that talk and pipelines that run, with one durable log under both.

The house in reading order; a file imports only from those before it:

    errors  clock  ids                                the error tree, time, the types of ids
    retry  spelling  units  config  logs  folder      settings, log lines, the data folder
    facts  membership                                 what a stream holds, and how it stays readable
    changes  turn                                     what one actor wants to be true at once
    store                                             the port: facts in, facts out
    fold  projections                                 from facts to states and rows
    stores/                                           adapters of the port
    actors/                                           the runtime, supervision, timers, the journal
    web/                                              the door, and the client that knocks
    desk  app  offline                                who answers, the wiring, work without a server
    bench/  testing/  cli/                            measuring, testing, the command line
"""
