"""Attacks on Datanets: random strategies of copiers, colluding panelists, spammers and slanderers.

    python -m tests.fuzz.data_attacks --inputs 10000 --json

An input is one strategy of one attack; the report names the largest gain of each.  A gain above
zero is a finding.  docs/reference/attacks.md says what each attack is, and what was measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import comb
from random import Random

from ml.data.review import Submission, review
from pallets.panels.pallet import Panels
from pallets.panels.scoring import consensus, shares
from pallets.reports.pallet import Reports
from pallets.submissions import bonds
from pallets.submissions.pallet import Submissions
from runtime.hashing import hash_text
from runtime.types import OPEN, PPB
from runtime.wire.rows import Row
from tests.fuzz.campaign import Finding

VICTIM, ATTACKER = hash_text(b"victim"), hash_text(b"attacker")
_THINGS = "asthma fracture anaemia migraine gout measles eczema tetanus rickets scurvy".split()  # noqa: SIM905 # easier to read
_CAUSES = "stress cold dust mould sugar salt sleep noise light heat pollen smoke".split()  # noqa: SIM905 # easier to read

Attack = Callable[[Random], int]
"""Play a strategy; returns its gain.  Raises `Finding` for one that is worth it."""


def copy_rows(random: Random) -> int:
    """Front-run or stuff: submit another's rows, edited lightly, as often as one likes.

    Commitments are numbered before rows can be seen, so whatever an attacker does with another's
    rows has a higher number.  The gain is in rows that are accepted.
    """
    rows = [_row(random, number) for number in range(random.randint(2, 8))]
    copies = [_edited(random, random.choice(rows)) for _ in range(random.randint(1, 24))]
    cut = random.randint(0, len(copies))
    submissions = [
        Submission(0, VICTIM, tuple(rows)),
        Submission(1, ATTACKER, tuple(copies[:cut])),
        Submission(2, ATTACKER, tuple(copies[cut:])),
    ]
    found = review(submissions, random.randrange(2**32))
    return _bounded(sum(each.owner == ATTACKER for each in found.records), "copying rows")


def _row(random: Random, number: int) -> Row:
    thing, causes = random.choice(_THINGS), random.sample(_CAUSES, 5)
    question = f"What can cause {thing} in patient group {number}{random.randrange(10**6)}?"
    return Row(question, f"In group {number} it is mostly {', '.join(causes)}; ask a doctor soon.")


def _edited(random: Random, row: Row) -> Row:
    edit = random.choice(
        (
            lambda text: text,
            str.upper,
            str.title,
            lambda text: text.replace(",", ""),
            lambda text: text.replace(" ", "  "),
            lambda text: f"{text} ...",
        )
    )
    return Row(edit(row.prompt), edit(row.completion))


def collude(random: Random) -> int:
    """Agree on a score with panelists who hold less than a third of the seats.

    The gain is what they are paid less what they are fined, beside what honest scores would bring;
    in units of 10**-18 OPEN.
    """
    seats = random.randint(4, 64)
    bad = random.randint(1, max(1, (seats - 1) // 3))
    honest = _parts(random, seats - bad)
    colluding = _parts(random, bad)
    truth, wish = random.randint(0, PPB), random.randint(0, PPB)
    kappa, tolerance = Panels.kappa_ppb.default, Panels.tolerance_ppb.default
    ballots = [*((each, truth) for each in honest), *((each, wish) for each in colluding)]
    score = consensus(ballots, kappa)
    if score != truth:
        raise Finding(f"colluders with {bad} of {seats} seats move a score to {score}", b"")
    fee, stake = Panels.fee.default, Panels.stake_min.default
    agrees = [abs(given - truth) <= tolerance for _, given in ballots]
    weights = [each if good else 0 for (each, _), good in zip(ballots, agrees, strict=True)]
    paid = shares(weights, fee)[len(honest) :]
    fined = sum(
        stake * Panels.penalty_ppb.default // PPB for good in agrees[len(honest) :] if not good
    )
    due = shares([each for each, _ in ballots], fee)[len(honest) :]
    return _bounded(sum(paid) - fined - sum(due), "colluding on a panel")


def _parts(random: Random, total: int) -> list[int]:
    """A number as a sum of random parts: jurors with one or several seats."""
    parts = []
    while total:
        part = random.randint(1, total)
        parts.append(part)
        total -= part
    return parts


def spam(random: Random) -> int:
    """Commit to rows and never show them: what is kept is paid for, and it is not kept.

    The gain is minus the bond that is lost, in units of 10**-18 OPEN.
    """
    rows, size_bytes = random.randint(1, 100_000), random.randint(0, 10_000_000)
    per_row = random.choice((0, 1, OPEN // 1_000))
    bond = bonds.least(rows, per_row, size_bytes, Submissions.byte_bond.default)
    return _bounded(-bond, "spamming storage")


def slander(random: Random) -> int:
    """Report rows, one's own or others', whatever the panel will say; gains beside what is true.

    Reporting others falsely costs the deposit; reporting oneself, most of one's bond.
    """
    bond = random.randint(0, 10_000 * OPEN)
    slashed = random.randint(0, bond)
    if random.random() < 0.5:
        return _bounded(-Reports.deposit.default, "slandering")
    bounty = min(slashed * Reports.bounty_ppb.default // PPB, Reports.bounty_max.default)
    return _bounded(bounty - slashed - Panels.fee.default, "reporting oneself")


def majority_chance(stake: Fraction, seats: int) -> Fraction:
    """The chance that a part of all stake draws at least half of a panel's seats."""
    least = -(-seats // 2)
    return sum(
        (
            comb(seats, each) * stake**each * (1 - stake) ** (seats - each)
            for each in range(least, seats + 1)
        ),
        Fraction(0),
    )


def _bounded(gain: int, attack: str) -> int:
    if gain > 0:
        raise Finding(f"{attack} gains {gain}", b"")
    return gain


ATTACKS: Mapping[str, Attack] = {
    each.__name__: each for each in (copy_rows, collude, spam, slander)
}


def largest_gains(inputs: int, seed: int) -> dict[str, int]:
    """Play so many strategies of each attack; returns the largest gains.  Raises `Finding`."""
    found = {}
    for name, attack in ATTACKS.items():
        random = Random(f"{name} {seed}")
        found[name] = max(attack(random) for _ in range(inputs))
    return found


def main() -> None:
    """Play as many strategies as the options say, and print the largest gain of each attack."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.data_attacks")
    parser.add_argument("--inputs", type=int, default=10_000, help="strategies of each attack")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other strategies")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args()
    gains = largest_gains(options.inputs, options.seed)
    chance = float(majority_chance(Fraction(1, 3), Panels.seats.default))
    if options.json:
        report = {"inputs": options.inputs, "largest_gains": gains, "majority_chance": chance}
        sys.stdout.write(json.dumps(report) + "\n")
        return
    for name, gain in gains.items():
        sys.stdout.write(f"{name:16s} {gain:>24d}\n")
    sys.stdout.write(f"{'majority_chance':16s} {chance:>24.6f}\n")


if __name__ == "__main__":
    main()
