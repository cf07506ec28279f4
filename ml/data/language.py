"""Which language a text is in: naive Bayes over byte n-grams, in integers.

The model is py3langid's (142 languages, BSD licence): it comes inside the package, needs no
download, and weighs 5 MB where the alternatives (lingua, fasttext) weigh 100.  Its own arithmetic
is in floating point, whose last bits differ between machines, and a verdict must not: so features
and weights are rounded to sixteenths, and the sums are integers small enough to be exact in any
order (below 2**24).

Most texts need no model: where enough of the words are function words of a language that the
schema takes, it is in that language.  A text is called foreign only when another language is far
likelier than every language that the schema takes; a short one never is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

WINDOW_CHARACTERS = 160
"""How much of a text is read."""
CHARACTERS_MIN = 60
"""A shorter text is in any language."""
MARGIN = 30 * 256
"""How much likelier the other language must be: 30 nats."""
FUNCTION_WORDS_PERCENT_MIN = 20
"""Of a text's words: with so many function words it is in that language."""
FUNCTION_WORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        language: frozenset(words.split())
        for language, words in {
            "en": "the of and to in a is that for it as was with be by on not he his but at are "
            "this have from or had an they which you were their been has would what can may",
            "de": "der die und in den von zu das mit sich des auf ist im dem nicht ein eine als "
            "auch es an werden aus er hat dass sie nach wird bei einer um am sind noch wie",
            "fr": "de la le et les des en un du une que est pour qui dans a par plus pas au sur "
            "ne se ce il sont avec ou son aux cette mais comme nous sa ses",
            "es": "de la que el en y a los del se las por un para con no una su al lo como más "
            "pero sus le ya o este sí porque esta entre cuando muy sin sobre",
        }.items()
    }
)
_GRID = 16
_COUNT_MAX = 255


class _Model:
    """The model on the grid, and the automaton that counts its features."""

    def __init__(self) -> None:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        model = LanguageIdentifier.from_model_file(MODEL_FILE)
        self.languages: list[str] = model.nb_classes
        self.next_state, self.features = model.tk_nextmove, model.tk_output
        self.rows = [row << 8 for row in model.tk_row]
        self.weights = np.rint(model.nb_ptc * np.float16(_GRID)).astype(np.int16)
        self.priors = np.rint(model.nb_pc.astype(np.float32) * _GRID * _GRID)
        self.counts = np.rint(np.log1p(np.arange(_COUNT_MAX + 1, dtype=np.float64)) * _GRID)


@cache
def _model() -> _Model:
    return _Model()


def is_foreign(text: str, words: Sequence[str], languages: Sequence[str]) -> bool:
    """Whether a text is in none of the languages (ISO 639 codes); never for an unknown code.

    `words` are those of the text, normalised.
    """
    if len(text) < CHARACTERS_MIN:
        return False
    for language in languages:
        known = FUNCTION_WORDS.get(language, frozenset())
        if sum(word in known for word in words) * 100 >= FUNCTION_WORDS_PERCENT_MIN * len(words):
            return False
    model = _model()
    columns = [index for index, name in enumerate(model.languages) if name in languages]
    scores = _scores(model, text[:WINDOW_CHARACTERS])
    if not columns or len(frozenset(model.languages[each] for each in columns)) < len(languages):
        return False
    return bool(scores.max() - scores[columns].max() > MARGIN)


def detected(text: str) -> str:
    """The likeliest language of a text, as an ISO 639 code."""
    model = _model()
    return model.languages[int(_scores(model, text[:WINDOW_CHARACTERS]).argmax())]


def _scores(model: _Model, text: str) -> NDArray[np.float64]:
    """The log-likelihood of each language in 256ths of nats: integers."""
    state, found = 0, dict[int, int]()
    next_state, rows, features = model.next_state, model.rows, model.features
    for byte in (text.lower() if text.isupper() else text).encode(errors="replace"):
        state = next_state[rows[state] + byte]
        feature = features[state]
        if feature >= 0:
            found[feature] = found.get(feature, 0) + 1
    places = np.fromiter(found, dtype=np.intp, count=len(found))
    times = np.fromiter(found.values(), dtype=np.intp, count=len(found))
    counts = model.counts[np.minimum(times, _COUNT_MAX)]
    scores: NDArray[np.float64] = counts @ model.weights[places].astype(np.float64) + model.priors
    return scores
