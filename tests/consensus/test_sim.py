"""The simulator: seeds hold and repeat, its invariants can fail, its mutants fit the source."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from consensus.log import KeptBlock, LogWriter
from consensus.sim.campaign import Summary, run_campaign, run_seed, run_seeds, seeds_until_violation
from consensus.sim.disk import Disk
from consensus.sim.exhaustive import explore
from consensus.sim.invariants import Invariant, Violation, faulty_weight_max
from consensus.sim.mutants import CONSENSUS, MUTANTS, mutate
from consensus.sim.scenario import Faults, Habit, draw_scenario, generator, weight_of
from consensus.sim.trace import Trace
from consensus.sim.world import World

COMMAND = [sys.executable, "-m", "consensus.sim"]


def _run(*options):
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("faults", list(Faults))
def test_seeds_hold(faults):
    """No invariant is violated; there are crashes, faulty nodes, and progress."""
    summary = run_seeds(range(12), faults)
    assert summary.violations == []
    assert summary.seeds == 12
    assert min(summary.heights, summary.crashes) > 0


@pytest.mark.parametrize(
    ("seed", "faults"),
    [
        (17052, Faults.LAWFUL),  # a block that was slower than its votes was asked for in vain
        (4009, Faults.LAWFUL),  # an own vote that is a quorum made a certificate nobody logged
        (454, Faults.LAWFUL),  # a restarted node asked for F of a round it had left
        (1125, Faults.LAWFUL),  # the same after two rounds
        (725, Faults.FORKS),  # the same with too many faulty
        (60, Faults.FORKS),  # a fork, at a height that one camp is past
        (814, Faults.FORKS),  # so many faulty that nothing is decided any more
    ],
)
def test_seeds_that_found_something_hold(seed, faults):
    """Each was a violation once."""
    run_seed(seed, faults)


def test_a_fork_is_seen_and_attributed():
    """With more than f faulty the chain can fork, and more than f of them are named."""
    outcome = run_seed(60, Faults.FORKS)
    assert outcome.is_forked


def test_a_seed_repeats_byte_for_byte():
    """In this process, in another one with another hash seed, and whether it is traced or not."""
    trace, again = Trace(), Trace()
    outcome = run_seed(17, Faults.LAWFUL, trace)
    assert run_seed(17, Faults.LAWFUL, again) == outcome == run_seed(17, Faults.LAWFUL)
    assert trace.lines == again.lines
    printed = _run("--seed", "17", "--trace").stdout.splitlines()
    assert printed[:-2] == trace.lines
    assert printed[-1] == f"digest of the run: {trace.digest()}"


def test_a_trace_says_who_did_what_when():
    """Every kind of thing that happens has its line."""
    trace = Trace()
    for seed in range(12):
        run_seed(seed, Faults.LAWFUL, trace)
    text = "\n".join(trace.lines)
    for part in ("<- node", "vote NOTARIZE", "certificate FINALIZE", "entry [", "loses power"):
        assert part in text
    for part in ("Sign NULLIFY", "Finalize 1", "decided 1", "status 1.1", "is divided", "is calm"):
        assert part in text


def test_a_violation_names_its_invariant_and_seed():
    """A run that cannot end in time says so."""
    scenario = replace(draw_scenario(3, Faults.NONE), work_ms_max=10**9)
    with pytest.raises(Violation, match="LIVENESS seed=3") as caught:
        World(scenario).run()
    assert caught.value.invariant is Invariant.LIVENESS


def test_faulty_weight_is_lawful():
    """At most f in every set; above f and at most 2f where forks are wanted."""
    for seed in range(300):
        lawful = draw_scenario(seed, Faults.LAWFUL)
        for validators in lawful.validator_sets:
            assert weight_of(validators, tuple(lawful.faulty)) <= faulty_weight_max(validators)
        forks = draw_scenario(seed, Faults.FORKS)
        (validators,) = forks.validator_sets
        weight, most = weight_of(validators, tuple(forks.faulty)), faulty_weight_max(validators)
        assert most < weight <= 2 * most or not forks.faulty
        assert draw_scenario(seed, Faults.NONE).faulty == {}


def test_every_fault_is_drawn():
    """Sizes, unequal weights, changing sets, all habits, lost signers, hidden kinds, one-way cuts."""
    scenarios = [draw_scenario(seed, Faults.LAWFUL) for seed in range(400)]
    sizes = {len(each.validator_sets[0].validators) for each in scenarios}
    habits = {habit for each in scenarios for some in each.faulty.values() for habit in some}
    assert sizes == {4, 7, 10}
    assert habits == set(Habit)
    assert any(len(set(each.validator_sets)) > 1 for each in scenarios)
    assert any(crash.loses_signer for each in scenarios for crash in each.crashes)
    assert any(each.hidden for each in scenarios)
    assert any(cut.one_way for each in scenarios for cut in each.partitions)
    assert any(each.is_undisturbed for each in scenarios)
    assert max(each.loss for each in scenarios) == 0.5


def test_a_crash_keeps_what_was_flushed():
    """And at most what was written behind it; a truncation that was not flushed may be forgotten."""
    found = set()
    for number in range(200):
        random = generator(f"disk {number}")
        disk = Disk(head=None, signer=None)  # type: ignore[arg-type] # only its log is used
        flushed, tail = (KeptBlock(bytes([n]) * 32, b"block") for n in range(2))
        writer = LogWriter(1)
        disk.append(writer.frame(flushed))
        disk.flush()
        disk.append(writer.frame(tail))
        disk.crash(random)
        assert _records(disk) in ((flushed,), (flushed, tail))
        disk.begin_log()
        disk.append(LogWriter(2).frame(tail))
        disk.crash(random)
        assert _records(disk) in ((), (tail,), (flushed,), (flushed, tail))
        found.add(len(_records(disk)))
    assert found == {0, 1, 2}


def _records(disk):
    log = disk.read_log()
    return () if log is None else log.records


def test_a_campaign_is_the_sum_of_its_seeds():
    """Split over processes or not."""
    assert run_campaign(0, 6, Faults.LAWFUL, 2) == run_seeds(range(6), Faults.LAWFUL)
    summary = Summary(violations=["one"])
    summary.merge(Summary(seeds=1, violations=["other"]))
    assert (summary.seeds, summary.violations) == (1, ["one", "other"])


def test_the_protocol_survives_as_many_seeds_as_wanted():
    """`seeds_until_violation` tells survivors from the killed."""
    assert seeds_until_violation(3, Faults.LAWFUL) == (3, None)


def test_the_command_prints_a_summary():
    """As text and as JSON."""
    assert "5 seeds, 0 violations" in _run("--seeds", "5", "--processes", "1").stdout
    report = json.loads(_run("--seeds", "5", "--processes", "1", "--json").stdout)
    assert (report["seeds"], report["violations"]) == (5, [])


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_source(mutant):
    """Its edits are found, and what comes out is still Python."""
    for edit in mutant.edits:
        assert edit.before in (CONSENSUS / f"{edit.module}.py").read_text()
        ast.parse(mutate(mutant, edit.module))


def test_there_are_enough_mutants():
    """At least 26 rules are broken, each under its own name."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 26


@pytest.mark.parametrize(
    "name", ["finalizes after nullifying", "entries are not checked", "blocks are not logged"]
)
def test_a_mutant_is_killed(name):
    """In a process of its own, by a named invariant."""
    done = _run("--mutant", name)
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["violation"].split()[0] in Invariant.__members__


def test_every_schedule_of_one_round_holds():
    """No two blocks are finalized, whoever leads."""
    found = list(explore(1))
    assert [each.problem for each in found] == [None, None]
    assert [each.leaders for each in found] == [(0,), (3,)]
    assert sum(each.states for each in found) > 500


def test_the_exploration_finds_a_fork_that_the_rules_allow():
    """Without R7, one round is enough."""
    done = _run("--exhaustive", "1", "--mutant", "finalizes after nullifying")
    assert done.returncode == 1
    assert "HONESTY" in done.stdout
