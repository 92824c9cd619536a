"""Ways in which the machine of a run could be broken; `tests/unit/run` must notice each."""

from __future__ import annotations

from tests.mutation.mutations import Mutation

RUN = (  # what fails at once comes first; examples that must be made smaller take their time
    "tests/unit/run/test_graphs.py",
    "tests/unit/run/test_beginning_and_people.py",
    "tests/unit/run/test_attempts_and_time.py",
    "tests/unit/run/test_taken_up_again.py",
    "tests/unit/run/test_any_run.py",
)


def _broken(name: str, file: str, old: str, new: str) -> Mutation:
    return Mutation(name, f"run/{file}", old, new, RUN)


OF_RUNS = (
    _broken(
        "a join of all holds with an edge that is not satisfied",
        "edges.py",
        "        if tally.satisfied < tally.resolved:\n            return False\n        return True if tally.satisfied == all_ else None",
        "        return True if tally.resolved == all_ else None",
    ),
    _broken(
        "a settled join begins with its first edge",
        "edges.py",
        "return None if tally.resolved < all_ else tally.satisfied > 0",
        "return True if tally.satisfied else None if tally.resolved < all_ else False",
    ),
    _broken(
        "a settled join begins with nothing satisfied",
        "edges.py",
        "return None if tally.resolved < all_ else tally.satisfied > 0",
        "return None if tally.resolved < all_ else True",
    ),
    _broken(
        "a join of a number is never given up",
        "edges.py",
        "return False if tally.satisfied + all_ - tally.resolved < step.join.count else None",
        "return None",
    ),
    _broken(
        "edges of a skipped step do not die",
        "edges.py",
        'edges = tuple(self.cross(edge, "dead") for edge in work.planned(id_).outgoing)',
        "edges = ()",
    ),
    _broken(
        "a route takes every edge that holds",
        "edges.py",
        "if edge.first and taken:",
        "if edge.first and taken and not edge.target:",
    ),
    _broken(
        "an edge by needs counts as the route taken",
        "edges.py",
        "taken = taken or (edge.first and holds)\n",
        "taken = taken or holds\n",
    ),
    _broken(
        "a failure edge holds for a cancelled step",
        "edges.py",
        '"cancelled": frozenset({"always"})',
        '"cancelled": frozenset({"always", "failure"})',
    ),
    _broken(
        "edges from inside are kept when a step goes back",
        "edges.py",
        '                tally.resolved -= 1\n                tally.satisfied -= edge.result == "satisfied"\n        return',
        "                tally.resolved -= 0\n        return",
    ),
    _broken(
        "edges from outside are forgotten when a step goes back",
        "evolving.py",
        "StepState(iteration=old.iteration + again, satisfied=old.satisfied, resolved=old.resolved)",
        "StepState(iteration=old.iteration + again)",
    ),
    _broken(
        "a step goes back once more than it may",
        "going_back.py",
        "if taken and step.backs >= again.max:",
        "if taken and step.backs > again.max:",
    ),
    _broken(
        "two loops in one another give each other the count back",
        "evolving.py",
        "fact.reset[fact.reset.index(fact.step) :]",
        "(fact.step,)",
    ),
    _broken(
        "what a reset step has under way goes on",
        "going_back.py",
        "            abandon(work, id_)\n",
        "            pass\n",
    ),
    _broken(
        "a run that stops goes back to what may not run",
        "going_back.py",
        "    if not state.stopping:\n        return None\n",
        "    if state.steps:\n        return None\n",
    ),
    _broken(
        "always edges of cancelled steps lead nowhere",
        "stopping.py",
        "        spared |= following(flow, _always(work, edges))\n",
        "",
    ),
    _broken(
        "what always edges started is cancelled when the run stops",
        "stopping.py",
        "step.status not in LIVE or id_ in spared:",
        "step.status not in LIVE:",
    ),
    _broken(
        "a handled failure stops the run",
        "attempts.py",
        "if not handled and work.plan.stops_on_failure and not state.stopping:",
        "if work.plan.stops_on_failure and not state.stopping:",
    ),
    _broken(
        "an always edge handles a failure",
        "attempts.py",
        'edge.number in met and edge.when == "failure"',
        "edge.number in met",
    ),
    _broken(
        "interrupted attempts count",
        "evolving.py",
        '        if one.then == "retry":\n            _queue',
        '        step.faults += 1\n        if one.then == "retry":\n            _queue',
    ),
    _broken(
        "one attempt more than there may be",
        "attempts.py",
        "if step.faults + 1 >= planned.retry.attempts:",
        "if step.faults >= planned.retry.attempts:",
    ),
    _broken(
        "each attempt has a key of its own",
        "attempts.py",
        "key = key_of(work.state.run, id_, step.iteration)",
        "key = key_of(work.state.run, id_, attempt)",
    ),
    _broken(
        "one attempt more than may run at once",
        "deciding.py",
        "state.active >= work.plan.max_parallel",
        "state.active > work.plan.max_parallel",
    ),
    _broken(
        "what waits holds a slot",
        "evolving.py",
        '    elif step.status == "running":\n        state.active -= 1\n',
        '    elif step.status == "running":\n        state.active -= status != "waiting"\n',
    ),
    _broken(
        "a paused run starts what becomes ready",
        "deciding.py",
        '    if state.paused_by != "operator":\n        if state.status',
        "    if True:\n        if state.status",
    ),
    _broken(
        "the second decision wins too",
        "deciding.py",
        "step.wait is None or step.waits != command.number or step.wait.what",
        "step.wait is None or step.wait.what",
    ),
    _broken(
        "time while the server was down counts",
        "evolving.py",
        '"workflow_recovered", last)',
        '"workflow_recovered", fact.at)',
    ),
    _broken(
        "a reopened run has only the time that was left",
        "evolving.py",
        "    state.busy = 0.0\n",
        "",
    ),
    _broken(
        "a signal is used twice",
        "evolving.py",
        "        state.bytes -= kept.pop(0).bytes\n",
        "        state.bytes -= kept[0].bytes * 0\n",
    ),
    Mutation(
        "no item begins while the server closes, and nothing brings the run back",
        "run/children.py",
        " and (progress.under_way or refused is not None):",
        ":",
        ("tests/unit/run/test_children.py",),
    ),
    Mutation(
        "what a run has in its hand is lost on a disk that cannot be read",
        "company/patience.py",
        "            await clock.sleep(pause.next())\n",
        "            raise\n",
        ("tests/unit/runs/test_faults.py",),
    ),
    Mutation(
        "a step fails for good by a read of ours that fails for a moment",
        "runs/running.py",
        "await patiently(self.services.clock, partial(self.plans.current, name, version))",
        "await self.plans.current(name, version)",
        ("tests/unit/runs/test_faulty_reads.py",),
    ),
    Mutation(
        "a bot is set aside by a disk that cannot be read while it begins",
        "company/bot.py",
        "        await wait(self._attempts.look_back)\n",
        "        await self._attempts.look_back()\n",
        ("tests/unit/company/test_faulty_starts.py",),
    ),
    Mutation(
        "do again in a run that stops what had ended before",
        "run/going_back.py",
        "for id_ in (again.to, *again.resets) if",
        "for id_ in (again.to,) if",
        RUN,
    ),
)
