"""Datanets: what rows look like, on which terms they are used, and what versions there are.

Terms.  A *Datanet* collects rows of one schema; its owner is its *curator*.  A *version* is the
Merkle root of all rows accepted so far, less those withdrawn, which training jobs name; its *notes*
say what changed and where the verdicts are.  A *use* is a job or an unsettled epoch that needs the
rows of a version.

The rules around it are pallets of their own, which change a Datanet through
`runtime.traits.DatanetRegistry` only: `Submissions` (contributing and reviewing), `DataRights`
(withdrawing and reading), `DatanetVotes` (changing the terms).

How a withdrawal ends, although there is always somebody who trains.  From the moment rows leave, no
job can name the versions that have them, and uses of those versions are no longer counted.  What
was counted before is its own *generation*, and its uses are jobs with deadlines: once they are
over, the content may be erased.  A generation costs one number.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from pallets.datanets import weights
from pallets.datanets.types import Usage
from runtime import (
    OPEN,
    U32,
    AccountId,
    Amount,
    BlockNumber,
    Const,
    Error,
    Event,
    Hash,
    LongText,
    Map,
    Needs,
    Pallet,
    Parameter,
    Positive,
    ShortText,
    Signed,
    Value,
    call,
)
from runtime.hashing import hasher
from runtime.traits import Currency
from runtime.wire.datanets import (
    ALL_PURPOSES,
    MEDIA_TYPE,
    Access,
    Datanet,
    Language,
    Offer,
    Purpose,
    Purposes,
    Schema,
    Terms,
    VersionNotes,
    VersionSpan,
    is_language,
)
from runtime.wire.records import DatanetVersion
from runtime.wire.rows import ROW_BYTES_MAX

SPONSOR = "Datanets.sponsor"
"""Why an owner's balance is held: budgets, and the bonds drawn from them."""
GENERATIONS_MAX = 32
"""How many generations of uses one look moves on: more withdrawals wait for a later look."""
_SEED_BYTES = 4
_hash_minhash_seed = hasher(b"minhash seed")


class Datanets(Pallet, index=20):
    """Datanets, their terms, and their versions."""

    # Needs and constants

    currency: Needs[Currency]
    growth_max: Const[U32] = 100

    # Storage, parameters first

    day_blocks = Parameter[Positive[U32]](172_800, "How long a quota lasts: a day of half seconds.")
    quota_bytes = Parameter[U32](10_000_000, "What an account may submit to a Datanet a day.")
    quota_files = Parameter[U32](20, "How many files an account may submit to a Datanet a day.")
    growth_amount = Parameter[Positive[Amount]](
        100 * OPEN,
        "How much an account's rows must earn for one more quota, up to `growth_max` more.",
    )
    next_datanet = Value[U32](0)
    datanets = Map[U32, Datanet]()
    terms = Map[U32, Terms]()
    latest_version = Map[U32, U32](0)
    versions = Map[tuple[U32, U32], DatanetVersion]()
    notes = Map[tuple[U32, U32], VersionNotes]()
    accepted_rows = Map[tuple[U32, AccountId], U32](0)
    """How many rows of an account a Datanet has."""
    earned = Map[tuple[U32, AccountId], Amount](0)
    """What an account's rows in a Datanet were paid so far."""
    usage = Map[tuple[U32, AccountId], Usage](Usage(0, 0, 0))
    sponsor_budgets = Map[U32, Amount](0)
    sponsored = Map[tuple[U32, AccountId], bool](False)
    """Whose first bond in a Datanet was sponsored."""
    members = Map[tuple[U32, AccountId], bool](False)
    """Whom the owner of a Datanet that is not public admitted."""
    retired = Map[U32, VersionSpan]()
    """The versions that have rows which were withdrawn since."""
    generation = Map[U32, U32](0)
    first_generation = Map[U32, U32](0)
    """The oldest one that may still be in use."""
    uses = Map[tuple[U32, Hash], U32]()
    """The generation of every use that is not over."""
    open_uses = Map[tuple[U32, U32], U32](0)
    """How many uses a generation has."""

    # Events

    class Created(Event):
        """A Datanet was opened."""

        datanet: U32
        owner: AccountId

    class TermsSet(Event):
        """The terms of a Datanet are others."""

        datanet: U32
        terms: Terms

    class SponsorBudgetSet(Event):
        """The owner set what is left to sponsor first bonds with."""

        datanet: U32
        budget: Amount

    class VersionPublished(Event):
        """A version can be trained on; the notes say where the verdicts and the diff are."""

        datanet: U32
        version: U32
        rows_root: Hash
        row_count: U32
        notes: VersionNotes

    class VersionsRetired(Event):
        """Rows were withdrawn that are in these versions: no job can name them any more."""

        datanet: U32
        span: VersionSpan

    # Errors

    class UnknownDatanet(Error):
        """There is no such Datanet."""

        remedy: ClassVar[str] = "Take the number from the event Datanets.Created."
        datanet: U32

    class UnknownVersion(Error):
        """The Datanet has no such version."""

        remedy: ClassVar[str] = "Read Datanets.latest_version; versions are numbered from 1."
        datanet: U32
        version: U32

    class NotOwner(Error):
        """Only the Datanet's owner may do this."""

        remedy: ClassVar[str] = "Sign with the owner's key."
        owner: AccountId

    class InvalidSchema(Error):
        """The schema does not describe rows."""

        remedy: ClassVar[str] = (
            "Name one column of text, or a prompt and a completion, of media type text/plain, each "
            "with bytes_min <= bytes_max <= 65536; give language codes in small letters, each once."
        )

    class InvalidTerms(Error):
        """The purposes are not in rising order, or none is permitted."""

        remedy: ClassVar[str] = "Name each permitted purpose once: RESEARCH, EDUCATION, COMMERCIAL."
        purposes: Purposes

    class QuotaExceeded(Error):
        """The account has submitted what it may submit to this Datanet today."""

        remedy: ClassVar[str] = "Wait for the height named; rows that earn raise the quota."
        bytes_left: Amount
        files_left: Amount
        next_day_at: BlockNumber

    class LicenceTooNarrow(Error):
        """The rows do not permit, in rising order, what the terms ask of every contributor."""

        remedy: ClassVar[str] = "Permit every purpose of the terms, or contribute elsewhere."
        purposes: Purposes

    class WrongLanguage(Error):
        """The schema does not take rows in this language."""

        remedy: ClassVar[str] = "Name one of the schema's languages, as a code such as `en`."
        language: Language

    class BondNotSponsored(Error):
        """A sponsor pays the least bond, exactly, and once for each account."""

        remedy: ClassVar[str] = "Give the least bond, or pay your own with sponsored=false."
        bond: Amount
        least: Amount

    class SponsorBudgetTooLow(Error):
        """The Datanet's sponsor budget does not cover this bond."""

        remedy: ClassVar[str] = "Pay the bond yourself, or ask the owner to raise the budget."
        budget: Amount
        needed: Amount

    # Calls

    @call(0, weight=weights.create)
    def create(
        self, owner: Signed, name: ShortText, description: LongText, schema: Schema, terms: Terms
    ) -> None:
        """Open a Datanet of the signer, numbered from 0; the schema never changes."""
        self._check_schema(schema)
        datanet = self.next_datanet.get()
        self.next_datanet.put(datanet + 1)
        self.datanets[datanet] = Datanet(
            owner=owner,
            name=name,
            description=description,
            schema=schema,
            minhash_seed=self._draw_seed(datanet),
            created_at=self.block.height,
        )
        self.emit(self.Created(datanet=datanet, owner=owner))
        self.set_terms(datanet, terms)

    @call(1, weight=weights.set_sponsor_budget)
    def set_sponsor_budget(self, owner: Signed, datanet: U32, budget: Amount) -> None:
        """Set what is left for sponsoring first bonds; the difference is held, or released."""
        self.require_owner(owner, datanet)
        before = self.sponsor_budgets[datanet]
        if budget > before:
            self.currency.hold(owner, budget - before, SPONSOR)
        else:
            self.currency.release(owner, before - budget, SPONSOR)
        self.sponsor_budgets[datanet] = budget
        self.emit(self.SponsorBudgetSet(datanet=datanet, budget=budget))

    # Helpers: `DatanetSource` for jobs and payouts

    def published_version(self, datanet: int, version: int) -> DatanetVersion:
        """The version's record; raises `UnknownVersion`."""
        record = self.versions.get((datanet, version))
        if record is None:
            raise self.UnknownVersion(datanet=datanet, version=version)
        return record

    def permits(self, datanet: int, version: int, purpose: Purpose, builder: bytes) -> bool:
        """Whether `builder` may train on the version for a purpose; raises `UnknownVersion`.

        Its rows must all permit it, the terms still do so, and no row of it be withdrawn; of a
        Datanet that is not public the builder must be a member, or the owner.
        """
        notes = self.notes.get((datanet, version))
        if notes is None:
            raise self.UnknownVersion(datanet=datanet, version=version)
        terms = self.terms[datanet]
        if purpose not in notes.purposes or purpose not in terms.purposes:
            return False
        if self._is_retired(datanet, version):
            return False
        if terms.access is Access.PUBLIC or self.datanets[datanet].owner == builder:
            return True
        return self.members[datanet, builder]

    def begin_use(self, datanet: int, version: int, use: bytes) -> None:
        """Count a use of the version; one of a retired version delays no erasure."""
        if self._is_retired(datanet, version) or (datanet, use) in self.uses:
            return
        generation = self.generation[datanet]
        self.uses[datanet, use] = generation
        self.open_uses[datanet, generation] += 1

    def end_use(self, datanet: int, use: bytes) -> None:
        """The use is over."""
        generation = self.uses.get((datanet, use))
        if generation is not None:
            del self.uses[datanet, use]
            self._set_open_uses(datanet, generation, self.open_uses[datanet, generation] - 1)

    def rows_min(self, datanet: int) -> int:
        """Rows of a version below which what its models earn waits."""
        return self.terms_of(datanet).rows_min

    def note_earned(self, datanet: int, account: bytes, amount: int) -> None:
        """Note that rows of `account` in the Datanet earned `amount`."""
        self.earned[datanet, account] += amount

    # Helpers: `DatanetRegistry` for the pallets around Datanets

    def datanet(self, datanet: int) -> Datanet:
        """What was fixed at its creation; raises `UnknownDatanet`."""
        record = self.datanets.get(datanet)
        if record is None:
            raise self.UnknownDatanet(datanet=datanet)
        return record

    def terms_of(self, datanet: int) -> Terms:
        """The terms of this moment; raises `UnknownDatanet`."""
        terms = self.terms.get(datanet)
        if terms is None:
            raise self.UnknownDatanet(datanet=datanet)
        return terms

    def check_terms(self, terms: Terms) -> None:
        """Raise `InvalidTerms` for terms that no Datanet can have."""
        if not terms.purposes or not _is_rising(terms.purposes):
            raise self.InvalidTerms(purposes=terms.purposes)

    def set_terms(self, datanet: int, terms: Terms) -> None:
        """Change the terms; raises `InvalidTerms`."""
        self.check_terms(terms)
        self.terms[datanet] = terms
        self.emit(self.TermsSet(datanet=datanet, terms=terms))

    def require_owner(self, account: bytes, datanet: int) -> None:
        """Raise `NotOwner` unless the Datanet is the account's."""
        owner = self.datanet(datanet).owner
        if owner != account:
            raise self.NotOwner(owner=owner)

    def totals(self, datanet: int) -> tuple[int, int, Purposes]:
        """Rows and reviewed rows of the latest version, and what it may be used for."""
        version = self.latest_version[datanet]
        if not version:
            return 0, 0, ALL_PURPOSES
        record = self.published_version(datanet, version)
        return record.row_count, record.reviewed_count, self.notes[datanet, version].purposes

    def latest(self, datanet: int) -> int:
        """The number of the latest version; 0 before the first."""
        return self.latest_version[datanet]

    def add_version(self, datanet: int, version: DatanetVersion, notes: VersionNotes) -> int:
        """Publish a version; returns its number."""
        number = self.latest_version[datanet] + 1
        self.latest_version[datanet] = number
        self.versions[datanet, number] = version
        self.notes[datanet, number] = notes
        self.emit(
            self.VersionPublished(
                datanet=datanet,
                version=number,
                rows_root=version.rows_root,
                row_count=version.row_count,
                notes=notes,
            )
        )
        return number

    def earned_by(self, datanet: int, account: bytes) -> int:
        """What rows of the account earned so far."""
        return self.earned[datanet, account]

    def change_rows(self, datanet: int, account: bytes, change: int) -> None:
        """Note that rows of an account joined the Datanet, or left it."""
        self.accepted_rows[datanet, account] += change

    def rows_of(self, datanet: int, account: bytes) -> int:
        """How many accepted rows of the account the Datanet has."""
        return self.accepted_rows[datanet, account]

    def retire(self, datanet: int, first: int) -> int:
        """Close the versions since `first`; returns the generation of uses to wait for."""
        before = self.retired.get(datanet)
        span = VersionSpan(
            first=first if before is None else min(before.first, first),
            last=self.latest_version[datanet],
        )
        self.retired[datanet] = span
        self.emit(self.VersionsRetired(datanet=datanet, span=span))
        generation = self.generation[datanet]
        self.generation[datanet] = generation + 1
        return generation

    def is_unused(self, datanet: int, retirement: int) -> bool:
        """Whether all uses of the generation `retirement` and of older ones are over."""
        first = self.first_generation[datanet]
        most = min(first + GENERATIONS_MAX, self.generation[datanet])
        while first < most and not self.open_uses[datanet, first]:
            first += 1
        self.first_generation[datanet] = first
        return first > retirement

    def set_member(self, datanet: int, account: bytes, admitted: bool) -> None:
        """Admit an account, or no longer."""
        if admitted:
            self.members[datanet, account] = True
        elif (datanet, account) in self.members:
            del self.members[datanet, account]

    def check_offer(self, datanet: int, offer: Offer) -> None:
        """Raise unless the schema and the terms take what a contributor says of its rows."""
        terms = self.terms_of(datanet)
        allowed = all(purpose in offer.purposes for purpose in terms.purposes)
        if not allowed or not _is_rising(offer.purposes):
            raise self.LicenceTooNarrow(purposes=terms.purposes)
        languages = self.datanets[datanet].schema.languages
        if not is_language(offer.language) or (languages and offer.language not in languages):
            raise self.WrongLanguage(language=offer.language)

    def use_quota(self, datanet: int, account: bytes, size_bytes: int) -> None:
        """Count one file of the account against today's quota; raises `QuotaExceeded`."""
        day_blocks = self.day_blocks.get()
        day = self.block.height // day_blocks
        used = self.usage[datanet, account]
        if used.day != day:
            used = Usage(day, 0, 0)
        times = 1 + min(self.earned[datanet, account] // self.growth_amount.get(), self.growth_max)
        bytes_left = times * self.quota_bytes.get() - used.size_bytes
        files_left = times * self.quota_files.get() - used.files
        if size_bytes > bytes_left or files_left < 1:
            raise self.QuotaExceeded(
                bytes_left=max(0, bytes_left),
                files_left=max(0, files_left),
                next_day_at=(day + 1) * day_blocks,
            )
        self.usage[datanet, account] = Usage(day, used.size_bytes + size_bytes, used.files + 1)

    def sponsor_bond(self, datanet: int, contributor: bytes, bond: int, least: int) -> None:
        """Draw an account's first bond from the budget; it stays held at the owner's."""
        if bond != least or self.sponsored[datanet, contributor]:
            raise self.BondNotSponsored(bond=bond, least=least)
        budget = self.sponsor_budgets[datanet]
        if budget < bond:
            raise self.SponsorBudgetTooLow(budget=budget, needed=bond)
        self.sponsored[datanet, contributor] = True
        self.sponsor_budgets[datanet] = budget - bond

    def sponsor_of(self, datanet: int) -> tuple[bytes, str]:
        """Whose balance holds sponsored bonds, and for what reason."""
        return self.datanet(datanet).owner, SPONSOR

    def return_to_sponsor(self, datanet: int, amount: int) -> None:
        """What is left of a sponsored bond is budget again."""
        self.sponsor_budgets[datanet] += amount

    # Helpers

    def _is_retired(self, datanet: int, version: int) -> bool:
        span = self.retired.get(datanet)
        return span is not None and span.holds(version)

    def _set_open_uses(self, datanet: int, generation: int, count: int) -> None:
        if count:
            self.open_uses[datanet, generation] = count
        else:
            del self.open_uses[datanet, generation]

    def _draw_seed(self, datanet: int) -> int:
        block = self.block
        number = datanet.to_bytes(_SEED_BYTES, "big")
        drawn = self.hash(_hash_minhash_seed, block.beacon + block.parent_hash + number)
        return int.from_bytes(drawn[:_SEED_BYTES], "big")

    def _check_schema(self, schema: Schema) -> None:
        names = [column.name for column in schema.columns]
        columns = all(
            column.name and column.bytes_min <= column.bytes_max <= ROW_BYTES_MAX
            for column in schema.columns
        )
        distinct = len(dict.fromkeys(names)) == len(names)
        if schema.media_type != MEDIA_TYPE or not names or not columns or not distinct:
            raise self.InvalidSchema
        if not all(is_language(language) for language in schema.languages):
            raise self.InvalidSchema
        if len(dict.fromkeys(schema.languages)) != len(schema.languages):
            raise self.InvalidSchema


def _is_rising(purposes: Purposes) -> bool:
    return all(one < other for one, other in pairwise(purposes))
