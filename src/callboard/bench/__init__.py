"""`callboard bench`: what this machine gives, and how much of it Callboard hands on.

Each figure of ours stands beside the raw limit that was measured in the same run, on the same file system:
the same statements with the same rows and pragmas, said by one thread to SQLite, in the batch sizes that the
journal made. Rounds of both alternate, so a machine that slows down slows down both; what is reported is the
median of the rounds, with the lowest and the highest beside it.

In reading order: `workload` (what is written), `journal` (turns, through the journal alone), `house` (all of
it but the door), `messages` (from send to the recipient's commit), `steps` (runs), `recovery` and
`interrupted` (runs whose process was killed), `growth` (what size costs), `sleeping` (what runs cost that
wait), `raw` (past the house), `measures` (all of them by name), `rounds`, `report`.
"""

from callboard.bench.measures import LEVELS
from callboard.bench.messages import EXCHANGES
from callboard.bench.report import Figures, Grown, Recovery, Report, Sleeping, StepFigures
from callboard.bench.rounds import run
from callboard.bench.steps import CROWDS

__all__ = [
    "CROWDS",
    "EXCHANGES",
    "LEVELS",
    "Figures",
    "Grown",
    "Recovery",
    "Report",
    "Sleeping",
    "StepFigures",
    "run",
]
