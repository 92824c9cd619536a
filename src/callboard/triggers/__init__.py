"""What starts runs by itself: schedules, webhooks, messages, the ends of other runs, and an operator's hand.

Read in this order: `entries` (which triggers a version has, and what they are called), `judging` (whether an
event starts a run, and with which input), `firing` (the one way from an event to a run or to a record), `due`
(which times of a schedule are made up for), `timetable` (their timers), `hearing` (messages and ends of runs,
from the log), `setting` (from what is published to rows), `triggers` (the actor that keeps them all),
`signing` (whom a webhook believes) and `delivery` (what it is sent).
"""
