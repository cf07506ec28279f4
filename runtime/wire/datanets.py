"""The on-chain records of Datanets: what the pallets store, and validators, nodes and tools read.

A *Datanet* collects rows of one schema on terms; a *submission* is a contributor's rows; a version
(`runtime.wire.records.DatanetVersion`) is what of them was accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from runtime.codec import codec_of
from runtime.types import (
    U32,
    AccountId,
    Amount,
    BlockNumber,
    Hash,
    LongText,
    Max,
    ShortText,
)
from runtime.wire.rows import ROW_BYTES_MAX

COLUMNS_MAX = 2
LANGUAGES_MAX = 16
MEDIA_TYPE = "text/plain"
"""The one kind of cells that rows have so far."""
PROMPT_COLUMNS = 2
"""Rows with this many columns are a prompt and its completion; rows with one are plain text."""
SUBMISSION_RECORD_BYTES = 512
"""What a bond pays for a submission beside its blob: its record on chain, at most."""
Language = Annotated[str, Max(3)]
"""An ISO 639 code in small letters."""


class Purpose(IntEnum):
    """What somebody may train a model for."""

    RESEARCH = 0
    EDUCATION = 1
    COMMERCIAL = 2


Purposes = Annotated[tuple[Purpose, ...], Max(len(Purpose))]
"""Permitted purposes in rising order, each once."""
ALL_PURPOSES = tuple(Purpose)


class Curation(IntEnum):
    """Who decides what is accepted."""

    OWNER = 0
    PANEL = 1
    """The owner publishes what a drawn panel of bonded panelists scored."""


class Access(IntEnum):
    """Who may train on the rows, and read them."""

    PUBLIC = 0
    REQUEST = 1
    """Whom the owner admits."""
    ENCRYPTED = 2
    """As above; the blobs are encrypted, and their keys sealed to those who may read."""


@dataclass(frozen=True, slots=True)
class Column:
    """One cell of every row; the limits are bytes in UTF-8."""

    name: ShortText
    bytes_min: U32
    bytes_max: U32


@dataclass(frozen=True, slots=True)
class Schema:
    """What every row of a Datanet looks like."""

    media_type: ShortText
    columns: Annotated[tuple[Column, ...], Max(COLUMNS_MAX)]
    languages: Annotated[tuple[Language, ...], Max(LANGUAGES_MAX)]
    """The languages that rows may be in; empty: any."""

    def has_prompt(self) -> bool:
        """Whether rows are prompts with completions, and not plain text."""
        return len(self.columns) == PROMPT_COLUMNS


DIALOGUE = Schema(
    media_type=MEDIA_TYPE,
    columns=(Column("prompt", 1, ROW_BYTES_MAX), Column("completion", 1, ROW_BYTES_MAX)),
    languages=(),
)
"""A prompt and its completion, in any language."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the contributors of a Datanet may change by a vote."""

    licence: ShortText
    """SPDX identifier, such as CC-BY-4.0."""
    purposes: Purposes
    """What models may be trained for; every contributor agrees to all of them."""
    contributor_bond_per_row: Amount
    curation: Curation
    access: Access
    rows_min: U32
    """Rows of a version below which what its models earn waits."""


@dataclass(frozen=True, slots=True)
class Datanet:
    """`Datanets.datanets[datanet]`: what was fixed when the Datanet was created."""

    owner: AccountId
    """Its curator."""
    name: ShortText
    description: LongText
    schema: Schema
    minhash_seed: U32
    created_at: BlockNumber


@dataclass(frozen=True, slots=True)
class Offer:
    """What a contributor says of rows that nobody can see yet."""

    row_count: U32
    size_bytes: U32
    """Of the blob; a larger one is rejected as a whole."""
    licence: ShortText
    language: Language
    purposes: Purposes
    """What the contributor permits."""


class SubmissionState(IntEnum):
    """The life of a submission."""

    COMMITTED = 0
    REVEALED = 1
    REVIEWED = 2
    """Judged; its bond answers for it until it is settled."""
    SETTLED = 3


@dataclass(frozen=True, slots=True)
class Submission:
    """`Submissions.submissions[(datanet, submission)]`: rows that a contributor committed to.

    Its number is its place in the order of credit.
    """

    contributor: AccountId
    commitment: Hash
    offer: Offer
    bond: Amount
    bond_per_row: Amount
    """What a rejected row costs: the Datanet's at the time."""
    sponsored: bool
    """Whether the bond is the Datanet owner's."""
    committed_at: BlockNumber
    state: SubmissionState
    rows_root: Hash | None = None
    blob: Hash | None = None
    """Content hash of the blob that lists the rows; None again once it was erased."""
    case: U32 | None = None
    """The panel that scores it."""
    version: U32 = 0
    """The first version with its rows."""
    accepted: U32 = 0
    """How many of its rows are in the latest version."""
    rejected: U32 = 0
    answerable_until: BlockNumber = 0
    """From then on the bond can be settled."""
    open_reports: U32 = 0


@dataclass(frozen=True, slots=True)
class VersionNotes:
    """`Datanets.notes[(datanet, version)]`: what changed with a version, and why."""

    verdicts: Hash
    """Content hash of the blob with the verdict on every row reviewed for this version."""
    changes_root: Hash
    """Merkle list of the encoded `RowChange`s against the version before."""
    changes: Hash
    """Content hash of the blob that lists them."""
    joined: U32
    left: U32
    purposes: Purposes
    """What the contributors of all its rows permit."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """One line of a version's diff."""

    row_hash: Hash
    submission: U32
    index: U32
    joined: bool
    """Otherwise it left."""
    height: BlockNumber
    """When it was reviewed, or withdrawn."""
    reason: ShortText

    def encode(self) -> bytes:
        """The canonical bytes of the Merkle leaf."""
        return codec_of(RowChange).encode(self)


@dataclass(frozen=True, slots=True)
class VersionSpan:
    """The versions from `first` to `last`, both included."""

    first: U32
    last: U32

    def holds(self, version: int) -> bool:
        """Whether a version is one of them."""
        return self.first <= version <= self.last


def is_language(code: str) -> bool:
    """Whether a text is written like a language code: two or three small letters."""
    return 2 <= len(code) <= 3 and all("a" <= letter <= "z" for letter in code)


def common_purposes(one: Purposes, other: Purposes) -> Purposes:
    """What both permit, in rising order."""
    return tuple(purpose for purpose in one if purpose in other)
