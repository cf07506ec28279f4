"""The bonds of workers, and what of them is at stake.

Terms.  A worker's *bond* is held under `Workers.bond`.  What a job or an audit in progress can cost
is *locked* in it, so that no two of them count on the same OPEN.  A *seat* is a worker's number in
the gapless list from which auditors are drawn.

Rules:

- Held = bond, and locked <= bond, exactly, for each worker.
- A bond leaves whole, when nothing is locked in it.
- What a worker forfeits is taken of the bond and of what is locked; a convicted worker begins anew
  to earn the trust that makes audits rare.
- A bond below `bond_min` takes no new work until it is added to.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pallets.workers import weights
from pallets.workers.types import Worker
from runtime import (
    OPEN,
    U32,
    AccountId,
    Amount,
    Between,
    Error,
    Event,
    InvariantViolation,
    Map,
    Needs,
    Pallet,
    Parameter,
    Positive,
    Signed,
    Value,
    call,
    invariant,
)
from runtime.traits import Currency

BOND = "Workers.bond"
"""Why a worker's balance is held."""
BOND_LEAST = OPEN
BOND_MOST = 10_000_000 * OPEN
CHECKED_SEATS_MAX = 16
"""How many seats the invariant looks at after a block."""


class Workers(Pallet, index=30):
    """Workers and their bonds."""

    # Needs

    currency: Needs[Currency]

    # Storage, parameters first

    bond_min = Parameter[Annotated[int, Between(BOND_LEAST, BOND_MOST)]](
        10_000 * OPEN, "The least bond of a worker that takes jobs, in 10**-18 OPEN."
    )
    workers = Map[AccountId, Worker]()
    seats = Map[U32, AccountId]()
    seat_count = Value[U32](0)

    # Events

    class Registered(Event):
        """A worker bonded and may claim jobs."""

        worker: AccountId
        bond: Amount

    class BondRaised(Event):
        """A worker added to its bond."""

        worker: AccountId
        bond: Amount

    class Unbonded(Event):
        """A worker left and has its bond back."""

        worker: AccountId
        bond: Amount

    class Forfeited(Event):
        """A worker lost a part of its bond."""

        worker: AccountId
        amount: Amount
        bond: Amount
        """What is left."""

    # Errors

    class BondTooLow(Error):
        """The bond is lower than a worker's must be."""

        remedy: ClassVar[str] = "Bond at least the least bond."
        bond: Amount
        least: Amount

    class AlreadyBonded(Error):
        """The account is a bonded worker already."""

        remedy: ClassVar[str] = "Claim jobs, or add to the bond with Workers.bond_extra."
        bond: Amount

    class NotBonded(Error):
        """The account is not a bonded worker."""

        remedy: ClassVar[str] = "Bond with Workers.register."
        worker: AccountId

    class StillAnswerable(Error):
        """The worker has jobs or audits in progress."""

        remedy: ClassVar[str] = "Have them settled first."
        locked: Amount

    class BondLocked(Error):
        """The free part of the bond is less than the work puts at stake."""

        remedy: ClassVar[str] = "Have other jobs settled first, or call Workers.bond_extra."
        free: Amount
        needed: Amount

    # Calls

    @call(0, weight=weights.register)
    def register(self, worker: Signed, bond: Amount) -> None:
        """Hold `bond` of the signer, who may then claim jobs and is drawn as an auditor."""
        known = self.workers.get(worker)
        if known is not None:
            raise self.AlreadyBonded(bond=known.bond)
        self._require_enough(bond)
        self.currency.hold(worker, bond, BOND)
        seat = self.seat_count.get()
        self.seat_count.put(seat + 1)
        self.seats[seat] = worker
        self.workers[worker] = Worker(bond=bond, locked=0, clean_jobs=0, seat=seat)
        self.emit(self.Registered(worker=worker, bond=bond))

    @call(1, weight=weights.bond_extra)
    def bond_extra(self, worker: Signed, amount: Positive[Amount]) -> None:
        """Add `amount` of the signer to its bond."""
        self._worker(worker)
        self.currency.hold(worker, amount, BOND)
        with self.workers.edit(worker) as record:
            record.bond += amount
        self.emit(self.BondRaised(worker=worker, bond=record.bond))

    @call(2, weight=weights.unbond)
    def unbond(self, worker: Signed) -> None:
        """Give the signer its bond back, once nothing is open that it could answer for."""
        record = self._worker(worker)
        if record.locked:
            raise self.StillAnswerable(locked=record.locked)
        self._leave_seat(record.seat)
        del self.workers[worker]
        self.currency.release(worker, record.bond, BOND)
        self.emit(self.Unbonded(worker=worker, bond=record.bond))

    # Invariants

    @invariant
    def bonds_are_held(self) -> None:
        """The workers in the first seats hold their bonds, and no lock is larger than its bond."""
        for seat in range(min(self.seat_count.get(), CHECKED_SEATS_MAX)):
            account = self.seats[seat]
            record = self.workers[account]
            held = self.currency.held(account, BOND)
            if record.seat != seat or held != record.bond or record.locked > record.bond:
                message = f"The worker in seat {seat} has bonded {record.bond}; {held} is held."
                raise InvariantViolation(message, remedy="This is a bug: report it.")

    # Helpers: `WorkerRegistry` for other pallets

    def free_bond(self, worker: bytes) -> int:
        """What of the bond is not locked; 0 for who takes no new work."""
        record = self.workers.get(worker)
        if record is None or record.bond < self.bond_min.get():
            return 0
        return record.bond - record.locked

    def lock(self, worker: bytes, amount: int) -> None:
        """Put `amount` of a bond at stake; raises `NotBonded`, `BondTooLow`, `BondLocked`."""
        record = self._worker(worker)
        self._require_enough(record.bond)
        free = record.bond - record.locked
        if free < amount:
            raise self.BondLocked(free=free, needed=amount)
        record.locked += amount
        self.workers[worker] = record

    def unlock(self, worker: bytes, amount: int) -> None:
        """Put `amount` of a bond at stake no longer."""
        with self.workers.edit(worker) as record:
            record.locked -= amount

    def forfeit(self, worker: bytes, amount: int, receiver: bytes) -> None:
        """Pay `amount`, which was locked, of a bond to `receiver`."""
        with self.workers.edit(worker) as record:
            record.locked -= amount
            record.bond -= amount
        self.currency.move_held(worker, amount, BOND, receiver)
        self.emit(self.Forfeited(worker=worker, amount=amount, bond=record.bond))

    def clean_jobs(self, worker: bytes) -> int:
        """How many jobs of a worker were settled since it bonded, or was last convicted."""
        return self._worker(worker).clean_jobs

    def note_clean(self, worker: bytes) -> None:
        """A job of the worker was settled."""
        with self.workers.edit(worker) as record:
            record.clean_jobs += 1

    def note_convicted(self, worker: bytes) -> None:
        """The worker is trusted as little as a new one."""
        with self.workers.edit(worker) as record:
            record.clean_jobs = 0

    def worker_count(self) -> int:
        """How many workers are bonded."""
        return self.seat_count.get()

    def worker_at(self, seat: int) -> bytes:
        """The worker in a seat, from 0 up to the number of workers."""
        return self.seats[seat]

    # Helpers

    def _worker(self, worker: bytes) -> Worker:
        record = self.workers.get(worker)
        if record is None:
            raise self.NotBonded(worker=worker)
        return record

    def _require_enough(self, bond: int) -> None:
        least = self.bond_min.get()
        if bond < least:
            raise self.BondTooLow(bond=bond, least=least)

    def _leave_seat(self, seat: int) -> None:
        """Give the last worker the seat that becomes free."""
        last = self.seat_count.get() - 1
        self.seat_count.put(last)
        mover = self.seats[last]
        del self.seats[last]
        if seat != last:
            self.seats[seat] = mover
            with self.workers.edit(mover) as record:
                record.seat = seat
