"""What the published validator can find in a row: a reason and a remedy for its contributor.

The order is the order of the checks, and the numbers are on chain: the leaf of a verdict has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class Finding(IntEnum):
    """Why a row got its verdict."""

    ACCEPTED = 0
    SAME = 1
    NEARLY_SAME = 2
    UNREADABLE = 3
    EMPTY = 4
    TOO_SHORT = 5
    TOO_LONG = 6
    UNPRINTABLE = 7
    ECHO = 8
    REPETITIVE = 9
    NOT_LANGUAGE = 10
    E_MAIL = 11
    PHONE = 12
    CARD = 13
    BANK_ACCOUNT = 14
    SLUR = 15
    GENERALISATION = 16
    FOREIGN = 17


REASONS: Mapping[Finding, tuple[str, str]] = MappingProxyType(
    {
        Finding.ACCEPTED: ("Accepted.", ""),
        Finding.SAME: (
            "Equal to a row committed earlier.",
            "Nothing: it costs no bond, and joins that row's credit class.",
        ),
        Finding.NEARLY_SAME: (
            "The same contribution as a row committed earlier, lightly edited.",
            "Contribute what the earlier row does not say.",
        ),
        Finding.UNREADABLE: (
            "The blob does not hold a row here, or is larger than was offered.",
            "Upload the rows that were committed to, and offer their real size.",
        ),
        Finding.EMPTY: ("A column has no letter and no digit.", "Fill it in, or leave it out."),
        Finding.TOO_SHORT: (
            "A column is shorter than the schema asks for.",
            "Write more, or choose a Datanet for short rows.",
        ),
        Finding.TOO_LONG: ("A column is longer than the schema allows.", "Split the row."),
        Finding.UNPRINTABLE: (
            "It holds characters that cannot be printed.",
            "Remove control characters and unassigned code points.",
        ),
        Finding.ECHO: ("The completion repeats the prompt.", "Answer the prompt."),
        Finding.REPETITIVE: (
            "The same few words or characters repeat over and over.",
            "Remove the repetition.",
        ),
        Finding.NOT_LANGUAGE: (
            "Most of it is neither letters nor digits.",
            "Contribute text; encoded data belongs elsewhere.",
        ),
        Finding.E_MAIL: (
            "It holds what looks like a person's e-mail address.",
            "Replace it by a placeholder such as [e-mail].",
        ),
        Finding.PHONE: (
            "It holds what looks like a person's phone number.",
            "Replace it by a placeholder such as [phone].",
        ),
        Finding.CARD: (
            "It holds a payment card number: its check digit is right.",
            "Replace it by a placeholder such as [card].",
        ),
        Finding.BANK_ACCOUNT: (
            "It holds a bank account number (IBAN): its check digits are right.",
            "Replace it by a placeholder such as [account].",
        ),
        Finding.SLUR: (
            "It holds a slur of the published list (ml/data/words.py).",
            "Remove it; quote it in a Datanet about such language.",
        ),
        Finding.GENERALISATION: (
            "It says of all members of a group what can be true of persons only.",
            "Say who, and where it is known from.",
        ),
        Finding.FOREIGN: (
            "It is not in a language that the schema takes.",
            "Translate it, or choose a Datanet in that language.",
        ),
    }
)
"""Reason and remedy of every finding."""
