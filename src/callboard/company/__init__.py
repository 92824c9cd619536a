"""The company: those who talk, and all that stands between what was said and the turn that handled it.

Read in this order. The way of a message: `bus.py` (what others may say), `board.py` (who hears it),
`bot.py` (which message is next), `attempts.py` (one message at its handler), `sitting.py` (what came of
it, as a turn), `asking.py` (the one thing that leaves a handler early) and `ahead.py` (what is committed
before it), `carrying.py`. What is later: `calendar.py`. What goes wrong: `patience.py`, `guard.py`,
`letters.py`, `clearing.py`, `pace.py`. Those without code of ours: `outside.py` with `serving.py`,
`unsettled.py` and `reading.py`, `guests.py`, `webhook.py`. Who is there: `roster.py`, `listing.py`.
`company.py` puts them together over a store and a journal.
"""
