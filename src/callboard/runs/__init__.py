"""Runs: those who carry them out.

Read in this order: `runs.py` (starting, finding, waking, taking up after a crash), `run.py` (one run at
work), `runturn.py` (what it decided, as one turn), `running.py` (attempts under way), `ordeal.py` (who may
attempt anything after deaths), `runwords.py` (what it is told), `overhearing.py` (messages that runs wait
for), `workflow_bot.py` (messages that start runs). What a run is stands in `callboard/run/`, how each kind of
step is carried out in `callboard/steps/`.
"""
