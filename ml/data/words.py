"""Words and phrases that make a row unfit for training: slurs, and claims about whole groups.

Both lists are this project's own, small on purpose, and under its licence: they name what has no
innocent use in training text, so that nobody's bond is lost over a swear word.  Slurs are kept in
ROT13, so that nobody has to read them by accident.
"""

from __future__ import annotations

import codecs
import re

_SLURS_ROT13 = (
    "avttre avttref avttn snttbg snttbgf xvxr xvxrf fcvp fcvpf juberfba jrgonpx jrgonpxf "
    "puvaxf genaal genaavrf ergneqf furznyr furznyrf puvatpubat cnxvf tlccb tlccbf jbtf "
    "qnexvrf enturnq enturnqf gbjryurnq gbjryurnqf fdhnj fdhnjf wvtnobb wvtnobbf hagrezrafpu"
)
SLURS = frozenset(codecs.decode(_SLURS_ROT13, "rot13").split())
_GROUPS = (
    "women|men|girls|boys|blacks?|whites?|asians?|africans?|europeans?|americans?|mexicans?|arabs?|"
    "jews?|muslims?|christians?|hindus?|gays?|lesbians?|immigrants?|refugees|gypsies|old people|"
    "poor people|disabled people"
)
_TRAITS = (
    "stupid|lazy|inferior|criminals?|thieves|liars|greedy|dirty|dangerous|terrorists?|violent|evil|"
    "weak|irrational|worthless|animals|vermin|parasites"
)
GENERALISATION = re.compile(
    rf"\ball (?:the )?(?:{_GROUPS}) (?:people |persons )?"
    rf"are (?:just |so |all |born )?(?:{_TRAITS})\b"
)
"""In folded case: "all <group> are <trait>"."""
GENERALISATION_MARK = " are "
"""Is in every match: a cheap test before the pattern."""


def has_slur(words: frozenset[str]) -> bool:
    """Whether one of the words, in folded case, is on the list."""
    return not SLURS.isdisjoint(words)
