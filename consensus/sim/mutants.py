"""Rules that are broken on purpose: the simulator is worth what it finds.

A mutant is a change of a few words in the source of the protocol, made when the module is loaded,
in a process of its own.  It is killed by the first seed that violates an invariant; one that needs
more than `SEEDS_MAX` seeds, or survives, shows that the simulator is too kind.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

SEEDS_MAX = 2_000
CONSENSUS = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace `before`, which occurs once in a module of consensus, by `after`."""

    module: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken rule."""

    name: str
    rule: str
    edits: tuple[Edit, ...]
    faults: str = "lawful"
    """Under which faults it is looked for."""


def source_of(module: str) -> str:
    """The source of a module of consensus as it is."""
    return (CONSENSUS / f"{module}.py").read_text()


def mutate(mutant: Mutant, module: str) -> str:
    """The source of a module with a mutant's edits; raises `ValueError` if one does not fit."""
    source = source_of(module)
    for edit in mutant.edits:
        if edit.module == module:
            if source.count(edit.before) != 1:
                raise ValueError(f"{mutant.name}: `{edit.before}` is not once in {module}.py.")
            source = source.replace(edit.before, edit.after)
    return source


class _MutantLoader(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType | None:
        """Compile the mutated source, and leave the cache of compiled modules alone."""
        return compile(self._source, f"<mutant of {fullname}>", "exec")


class _MutantFinder(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the modules that the mutant changes."""
        module = fullname.removeprefix("consensus.")
        if module not in {edit.module for edit in self._mutant.edits}:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.origin is not None:
            source = mutate(self._mutant, module)
            spec.loader = _MutantLoader(fullname, spec.origin, source)
        return spec


def install(name: str) -> Mutant:
    """Load the protocol with this mutant, from now on in this process; none may be loaded yet."""
    mutant = next(each for each in MUTANTS if each.name == name)
    loaded = [edit.module for edit in mutant.edits if f"consensus.{edit.module}" in sys.modules]
    if loaded:
        raise ValueError(f"{loaded} are loaded already: use a new process.")
    sys.meta_path.insert(0, _MutantFinder(mutant))
    return mutant


def _edit(name: str, rule: str, module: str, before: str, after: str) -> Mutant:
    return Mutant(name, rule, (Edit(module, before, after),))


MUTANTS: tuple[Mutant, ...] = (
    _edit(
        "a quorum of 2f",
        "quorum",
        "scheme",
        "self.quorum = validators.quorum",
        "self.quorum = 2 * (validators.total_weight - validators.quorum)",
    ),
    Mutant(
        "a quorum of heads",
        "quorum",
        (
            Edit(
                "scheme",
                "if sum(self.weights[index] for index in voters) < self.quorum:",
                "if len(voters) <= 2 * len(self.weights) // 3:",
            ),
            Edit(
                "scheme",
                "if weight < self.quorum:",
                "if len(voters) <= 2 * len(self.weights) // 3:",
            ),
            Edit(
                "facts",
                "if weight >= self.scheme.quorum and",
                "if len(tally) > 2 * len(self.scheme.weights) // 3 and",
            ),
        ),
    ),
    _edit(
        "certificates below the quorum",
        "quorum",
        "scheme",
        "if weight < self.quorum:",
        "if weight < 0:",
    ),
    _edit(
        "signatures of votes are not verified",
        "votes",
        "scheme",
        "            and self._cryptography.verify(",
        "            or self._cryptography.verify(",
    ),
    _edit(
        "signatures of certificates are not verified",
        "certificates",
        "scheme",
        "if not self._cryptography.verify(key, signed, vote.signature):",
        "if not signed:",
    ),
    _edit(
        "the round is not signed",
        "votes",
        "votes",
        "statement = codec_of(Statement).encode(self)",
        "statement = codec_of(Statement).encode("
        "Statement(self.kind, self.height, 1, self.block_id))",
    ),
    _edit(
        "the height is not signed",
        "votes",
        "votes",
        "statement = codec_of(Statement).encode(self)",
        "statement = codec_of(Statement).encode("
        "Statement(self.kind, 1, self.round, self.block_id))",
    ),
    _edit(
        "certificates of another height are taken",
        "R6",
        "facts",
        "if statement.height != self.height or statement.round > ROUNDS_MAX:",
        "if statement.round > ROUNDS_MAX:",
    ),
    _edit(
        "the old set after a change",
        "R6",
        "simplex",
        "self._scheme_of(began.validators),",
        "self._scheme_of(began.validators) if self._rules is None else self._rules._scheme,",
    ),
    _edit(
        "the leader is not checked",
        "R0",
        "facts",
        "if index != leader or vote.statement.kind is not VoteKind.PROPOSE:",
        "if vote.statement.kind is not VoteKind.PROPOSE:",
    ),
    _edit(
        "the notarized block is not proposed again",
        "R1",
        "rules",
        "block_id = self._built if entry.notarized is None else entry.notarized.statement.block_id",
        "block_id = self._built",
    ),
    _edit(
        "time-outs never grow",
        "R1",
        "rules",
        "steady_ms = min(self.base_ms + round_ * self.step_ms, self.most_ms)",
        "steady_ms = min(self.base_ms, self.most_ms)",
    ),
    _edit(
        "no timer is started",
        "R1",
        "rules",
        "            self.effects.append(StartTimer(self.height, round_, after_ms))\n",
        "",
    ),
    _edit(
        "the time stays over",
        "R1",
        "rules",
        "        self._timed_out = False\n        self._is_patient = round_",
        "        self._is_patient = round_",
    ),
    _edit(
        "entries are not checked",
        "R2",
        "facts",
        "if not self._is_justified(vote.statement, proposal.entry):",
        "if proposal.entry is None:",
    ),
    _edit(
        "entries may lack certificates",
        "R2",
        "facts",
        "if rounds != list(range(rp + 1, statement.round)):",
        "if rounds != sorted(rounds):",
    ),
    _edit(
        "entries may be for another block",
        "R2",
        "facts",
        "if claimed != (VoteKind.NOTARIZE, statement.block_id):",
        "if claimed[0] is not VoteKind.NOTARIZE:",
    ),
    _edit(
        "certificates of entries are not verified",
        "R2",
        "facts",
        "        self.add_entry(entry)\n        return True",
        "        return True",
    ),
    _edit(
        "blocks are not executed before the vote",
        "R2",
        "rules",
        "        if not known.valid:\n            return False",
        "        if known.valid is False:\n            return False",
    ),
    Mutant(
        "every proposal of a round is notarized",
        "R2",
        (
            Edit(
                "rules",
                "        if proposal is None or not self._may_sign("
                "VoteKind.NOTARIZE, self.round):\n            return False",
                "        own = self._own.get((VoteKind.NOTARIZE, self.round))\n"
                "        if proposal is None or (VoteKind.NULLIFY, self.round) in self._own:\n"
                "            return False\n"
                "        if (VoteKind.NOTARIZE, self.round) in self._refused:\n"
                "            return False\n"
                "        if own and own.statement.block_id == proposal.statement.block_id:\n"
                "            return False",
            ),
            Edit(
                "facts",
                "            if self._is_convicted(leader, round_):\n                return False\n"
                "            index",
                "            index",
            ),
            Edit(
                "facts",
                "                index, vote\n            ):\n                return False",
                "                index, vote\n            ):\n                pass",
            ),
        ),
    ),
    Mutant(
        "certificates are never sent",
        "R3, R4",
        (
            Edit("rules", "            self.effects.append(Broadcast(certificate))\n", ""),
            Edit(
                "rules",
                "Broadcast(Status(self.height, self.round, entry))",
                "Broadcast(Status(self.height, self.round, None))",
            ),
        ),
    ),
    _edit(
        "finalizes against the own N",
        "R7",
        "rules",
        "agreed = own is None or own.statement.block_id == notarized.block_id",
        "agreed = True",
    ),
    _edit(
        "finalizes after nullifying",
        "R7",
        "rules",
        "if (kind, round_) in own or (VoteKind.NULLIFY, round_) in own:",
        "if (kind, round_) in own or "
        "((VoteKind.NULLIFY, round_) in own and kind is not VoteKind.FINALIZE):",
    ),
    _edit(
        "notarizes after nullifying",
        "R7",
        "rules",
        "if (kind, round_) in own or (VoteKind.NULLIFY, round_) in own:",
        "if (kind, round_) in own or "
        "((VoteKind.NULLIFY, round_) in own and kind is not VoteKind.NOTARIZE):",
    ),
    _edit(
        "a notarized round does not end",
        "R3",
        "rules",
        "if notarized is not None or round_ in self._facts.nullified:",
        "if round_ in self._facts.nullified:",
    ),
    _edit(
        "votes are not sent again",
        "R4",
        "rules",
        "        self.effects += [Broadcast(vote) for vote in votes[-RESENT_VOTES_MAX:]]\n",
        "",
    ),
    _edit(
        "everything is sent again only once",
        "R4",
        "rules",
        "        self.effects.append(StartTimer(self.height, round_, self._timeouts.retry_ms))\n",
        "",
    ),
    _edit(
        "decides by notarization",
        "R6",
        "rules",
        "        if self._facts.finalized is not None:\n",
        "        if self._facts.notarized:\n"
        "            return self._decide(next(iter(self._facts.notarized.values())))\n"
        "        if self._facts.finalized is not None:\n",
    ),
    _edit(
        "wrong shares count",
        "R6",
        "facts",
        "        if not bad:\n            return True",
        "        if bad is not None:\n            return True",
    ),
    Mutant(
        "no justification is kept",
        "R6",
        (
            Edit(
                "rules",
                "certificate, self._facts.justification())",
                "certificate, ())",
            ),
        ),
        faults="forks",
    ),
    _edit(
        "nobody is told what was decided",
        "R8",
        "simplex",
        "                self._effects.append(SendDecided(peer, height))",
        "                pass",
    ),
    _edit(
        "messages of the next height are dropped",
        "R8",
        "simplex",
        "                self._buffered.setdefault(peer, waiting).append(message)",
        "                pass",
    ),
    _edit(
        "honest votes are evidence",
        "evidence",
        "votes",
        "if kinds == {VoteKind.FINALIZE, VoteKind.NULLIFY}:",
        "if VoteKind.NULLIFY in kinds and VoteKind.PROPOSE not in kinds:",
    ),
    _edit(
        "signed votes leave before the flush",
        "W1",
        "rules",
        "        self._append(vote)\n        self._flush()\n",
        "        self._append(vote)\n",
    ),
    _edit(
        "signs before the certificates are flushed",
        "W2",
        "rules",
        '        """Have a statement signed, after everything it rests on is on disk (W2)."""\n'
        "        self._flush()\n",
        "",
    ),
    _edit(
        "certificates are not logged",
        "W2",
        "rules",
        "            self._append(certificate)\n",
        "",
    ),
    _edit(
        "torn records are taken",
        "W3",
        "log",
        "if _checksum(head + payload)[:CHECKSUM_BYTES] != checksum or payload[0] >= len(_TYPES):",
        "if payload[0] >= len(_TYPES):",
    ),
    _edit(
        "begins in round 1 after a crash",
        "W3",
        "rules",
        "self._enter(max((round_ for _, round_ in self._own), default=1))",
        "self._enter(1)",
    ),
    _edit(
        "the signer forgets",
        "W5",
        "signer",
        "return SignerState(SIGNER_STATE_VERSION, (*self.votes, vote)[-VOTES_MAX:])",
        "return SignerState(SIGNER_STATE_VERSION, ())",
    ),
    _edit(
        "what the signer remembers is ignored",
        "W5",
        "rules",
        "        for vote in began.signed:",
        "        for vote in ():",
    ),
    _edit(
        "blocks are not logged",
        "W7",
        "rules",
        "            self._append(KeptBlock(block_id, known.block))\n",
        "",
    ),
)
"""Every mutant, in the order of the rules."""
