"""Cuts the power after every fsync of a validator, and damages what it left.

    python -m bench.powercut --commits 200 --json

After each fsync of store, log and signer the files are copied.  The copy is opened as it is; then
with the file that was just written cut short where it was not yet synced, or zeros there, or the
file gone; then with one byte flipped in each file there is.  What comes of it is

- recovered: the head is a committed block with its state root, and nothing that was signed before
  is signed otherwise.  Where only bytes were lost that no fsync had made safe, it is the block
  that was acknowledged;
- detected: a typed error, with its remedy;
- wrong: everything else.  It is printed, and the command ends with 1.

Damage of bytes that were safe (a bad disk, no power cut) may be taken for the end of LevelDB's log:
then the head is an older committed block, counted as `behind`, and the signer still knows better.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeAlias

from bench.powercut_writer import KEYS, Boundary, Promises, write_blocks
from bench.report import report
from consensus.errors import LogError, SignerStateError
from consensus.votes import Vote
from genesis.allocation import InvalidAllocation
from genesis.pallet_packages import PalletPackageError
from genesis.toml_records import InvalidChainSpec
from node.chain import Chain
from node.config import DataDirectory
from node.consensus.start import open_log, open_signer
from node.errors import ConfigError
from node.logs import configure_logs
from runtime.errors import DecodeError, StoreError

Files: TypeAlias = dict[str, bytes]
"""Contents by their path in the data directory."""

CUTS = 8
"""Lengths at which the newest file is cut, beside its first and last byte that were not safe."""
VOTES_TRIED = 8
"""Signed votes that are contradicted in each case: as many as a signer remembers."""
TYPED = (
    StoreError,
    LogError,
    SignerStateError,
    DecodeError,
    ConfigError,
    InvalidAllocation,
    InvalidChainSpec,
    PalletPackageError,
)


class Wrong(Exception):
    """A damaged directory is taken for another one than was written."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way in which the files may be found after the power is back."""

    damage: str
    changes: Mapping[str, bytes | None]
    """What differs from the image, by the path in the data directory; None: there is none."""
    height_min: int
    """The head must not be before this height."""
    must_recover: bool
    votes: Sequence[Vote]
    """What must not be contradicted."""


@dataclass(slots=True)
class Campaign:
    """The images of one run, and what came of them."""

    root: Path
    """An empty directory."""
    random: Random
    promises: Promises = field(default_factory=Promises)
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    _synced: Files = field(default_factory=dict)
    """The files at the last boundary."""

    def run(self, commits: int) -> None:
        """Write so many blocks, and try each image as it comes."""
        write_blocks(DataDirectory(self.root / "node"), commits, self.promises, self._reached)

    def _reached(self, boundary: Boundary) -> None:
        files = _read_files(self.root / "node")
        self.counts["images"] += 1
        cases = list(self._cases(boundary, files))
        if boundary is Boundary.COMMIT:
            for case in cases:
                image = self._image({**files, **case.changes})
                self._judge(case, partial(self._start, image, case))
        else:
            # The store is the same in all of them, so that it is opened once.
            image = self._image(files)
            with closing(Chain.open(image, image.load_spec(None), KEYS)) as chain:
                for case in cases:
                    _put(image.root, {**files, **case.changes}, ("log", "signer", "tmp"))
                    self._judge(case, partial(self._check, chain, image, case))
        self._synced = files

    def _cases(self, boundary: Boundary, files: Files) -> Iterator[Case]:
        promises = self.promises
        signed = promises.signed[-VOTES_TRIED:]
        logged = promises.signed[: promises.logged][-VOTES_TRIED:]
        whole = Case("as_it_is", {}, promises.height, must_recover=True, votes=signed)
        yield whole
        name = _newest(boundary, files)
        before, after = self._synced.get(name), files[name]
        lost = replace(whole, height_min=promises.height - (boundary is Boundary.COMMIT))
        if boundary is Boundary.SIGNER:
            # Written beside its place and renamed: what may be torn is the file beside it.
            for length in _lengths(0, len(after)):
                changes = {name: before, "tmp": after[:length]}
                yield replace(lost, damage="cut", changes=changes, votes=logged)
        else:
            yield from _torn(lost, name, before or b"", after)
        damaged = replace(lost, must_recover=False)
        yield replace(damaged, damage="missing", changes={name: None}, votes=logged)
        for each in _flipped_files(boundary, files):
            changed = bytearray(files[each])
            changed[self.random.randrange(len(changed))] ^= 1 << self.random.randrange(8)
            yield replace(damaged, damage="flipped", changes={each: bytes(changed)}, height_min=0)

    def _image(self, files: Mapping[str, bytes | None]) -> DataDirectory:
        """A new directory with these files."""
        image = self.root / "image"
        shutil.rmtree(image, ignore_errors=True)
        image.mkdir()
        (image / "state").mkdir()
        _put(image, files, files)
        return DataDirectory(image)

    def _judge(self, case: Case, start: Callable[[], int]) -> None:
        """Count what comes of a start."""
        self.counts[case.damage] += 1
        try:
            height = start()
        except TYPED as error:
            if case.must_recover:
                self._find(case, error)
            else:
                self.counts["detected"] += 1
        except Exception as error:  # noqa: BLE001 # whatever it is, it is what was looked for
            self._find(case, error)
        else:
            self.counts["recovered"] += 1
            if case.damage == "flipped":
                self.counts["behind"] += height < self.promises.height

    def _find(self, case: Case, error: Exception) -> None:
        self.counts["wrong"] += 1
        where = f"height {self.promises.height}, {len(self.promises.signed)} votes"
        self.findings.append(f"{case.damage} {', '.join(case.changes)} at {where}: {error!r}")

    def _start(self, image: DataDirectory, case: Case) -> int:
        """Start a validator in a directory as a node does; returns its height."""
        with closing(Chain.open(image, image.load_spec(None), KEYS)) as chain:
            return self._check(chain, image, case)

    def _check(self, chain: Chain, image: DataDirectory, case: Case) -> int:
        """Compare a chain and its signer with what was promised; raises `Wrong`."""
        blocks, height = self.promises.blocks, chain.head.height
        if height >= len(blocks) or blocks[height] != (chain.head_id, chain.head.state_root):
            raise Wrong(f"Block {height} was never committed.")
        if height < case.height_min:
            raise Wrong(f"Block {case.height_min} was acknowledged, and the head is {height}.")
        log, is_whole = open_log(image.log)
        with log:
            signer = open_signer(chain, image, KEYS, log, log_is_whole=is_whole)
            for vote in case.votes:
                other = replace(vote.statement, block_id=bytes(32))
                if signer.sign(other, chain.validators.hash()) is not None:
                    raise Wrong(f"A second vote is signed beside {vote.statement}.")
        return height


def _put(directory: Path, files: Mapping[str, bytes | None], names: Iterable[str]) -> None:
    """Make the named files what they are in `files`."""
    for name in names:
        data = files.get(name)
        if data is None:
            (directory / name).unlink(missing_ok=True)
        else:
            (directory / name).write_bytes(data)


def _torn(lost: Case, name: str, before: bytes, after: bytes) -> Iterator[Case]:
    """A file that is appended to, with a part of what was appended, or with zeros in its place."""
    start = len(before) if after.startswith(before) else 0
    if start < len(before):  # It was begun anew, and that was not safe either.
        yield replace(lost, damage="cut", changes={name: before})
    for length in _lengths(start, len(after)):
        yield replace(lost, damage="cut", changes={name: after[:length]})
    for length in (start, (start + len(after)) // 2):
        data = after[:length] + bytes(len(after) - length)
        yield replace(lost, damage="zeroed", changes={name: data}, must_recover=False)


def _lengths(start: int, end: int) -> list[int]:
    """Lengths from `start` up to, not including, `end`: both ends, and some evenly between."""
    between = [start + (end - start) * part // (CUTS + 1) for part in range(1, CUTS + 1)]
    return sorted({start, start + 1, *between, end - 1} & set(range(start, end)))


def _newest(boundary: Boundary, files: Files) -> str:
    if boundary is not Boundary.COMMIT:
        return boundary.value
    return max(name for name in files if name.startswith("state/") and name.endswith(".log"))


def _flipped_files(boundary: Boundary, files: Files) -> list[str]:
    """Those of which one byte is flipped: the store's when it was written, else the one that was.

    LevelDB's `LOG` is for people, and `LOCK` is empty.
    """
    if boundary is not Boundary.COMMIT:
        return [boundary.value]
    ours = [name for name in files if name not in {"state/LOG", "state/LOG.old"}]
    return [name for name in ours if files[name]]


def _read_files(directory: Path) -> Files:
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


def main() -> None:
    """Run a campaign, print its counts, and end with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--commits", type=int, default=200, help="how many blocks")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other flipped bytes")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    configure_logs("error", Path("/dev/null"))
    with tempfile.TemporaryDirectory(prefix="openledger-powercut-") as folder:
        campaign = Campaign(Path(folder), Random(options.seed))  # noqa: S311 # repeatable, no secret
        campaign.run(options.commits)
    counts = dict.fromkeys(("detected", "behind", "wrong"), 0) | campaign.counts
    report("powercut", {"commits": options.commits, "seed": options.seed} | counts)
    for finding in campaign.findings:
        sys.stderr.write(f"{finding}\n")
    sys.exit(1 if campaign.findings else 0)


if __name__ == "__main__":
    main()
