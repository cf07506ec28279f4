"""The documentation of Python's standard library, read from the user's own interpreter.

It is real, licensed (PSF) text which every machine that runs OpenLedger already has, so the demo
downloads nothing. The top-level modules are split by a hash of their names into two halves: the
BASE half trains the shipped base model, the DEMO half is data that model has never seen.

Invariants: importing is the only side effect (no `__main__`, window, browser or socket is opened);
the order is that of the sorted names; an object is documented under the one top-level name which
owns it, so that a re-export never carries text from one half into the other.
"""

import contextlib
import enum
import hashlib
import importlib
import inspect
import io
import pkgutil
import re
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

# Left out: import side effects, windows, tests, installers, and files of tables.
SKIPPED_MODULES = frozenset(
    {
        "antigravity",
        "distutils",
        "encodings",
        "ensurepip",
        "genericpath",
        "idlelib",
        "lib2to3",
        "nt",
        "ntpath",
        "posix",
        "posixpath",
        "pydoc_data",
        "test",
        "this",
        "tkinter",
        "turtle",
        "turtledemo",
        "venv",
    }
)
# Platform modules whose functions are public under another name.
OWNER_OF_PLATFORM_MODULE = {"posix": "os", "nt": "os", "posixpath": "os", "ntpath": "os"}
BOILERPLATE_STARTS = (
    "Alias for field number",
    "Helper for pickle",
    "Initialize self.",
    "Return self",
    "The base class of the class hierarchy.",
    "str(object=",
    "int([x])",
)
BOILERPLATE_MARKS = (">>>", "See help(type(self))", "list of weak references", ":param", "http")
SUMMARY_CHARACTERS_MIN = 20
SUMMARY_WORDS_MIN = 4
TEXT_CHARACTERS_MIN = 60

_SIGNATURE_LINE = re.compile(r"^[\w.\[\]*]+ ?\(.*\)?( ?(->|=>|=) ?.*)?[\])]*[:.]?$")
_SIGNATURE_PREFIX = re.compile(r"^[\w.]+\([^)]*\)+( -> [^.]{1,40}?)?( ?--?|:)\s+(?=[A-Z])")
_SENTENCE_END = re.compile(r"[.!?][\"')`]*(?=\s+[A-Z\"'(`]|$)")


class Half(enum.Enum):
    """The two disjoint halves of a corpus."""

    BASE = 0
    DEMO = 1


class Kind(enum.Enum):
    """What a documented object is; it decides the wording of the question."""

    MODULE = "What is the module {} for?"
    CLASS = "What is {}?"
    ROUTINE = "What does {} do?"


@dataclass(frozen=True, slots=True)
class DocumentationRow:
    """A question about one public object, its answer, and the top-level module that owns it."""

    prompt: str
    completion: str
    module: str


@dataclass(frozen=True, slots=True)
class Documented:
    """A public object's dotted name, kind, cleaned docstring and top-level module."""

    name: str
    kind: Kind
    text: str
    module: str


def half_of(top_level_module_name: str) -> Half:
    """The half a name belongs to: the lowest bit of the blake2b hash of its UTF-8 text."""
    digest = hashlib.blake2b(top_level_module_name.encode(), digest_size=8).digest()
    return Half(digest[0] & 1)


def module_names(half: Half) -> list[str]:
    """The sorted top-level module names of one half, without private and skipped ones."""
    return sorted(
        name
        for name in sys.stdlib_module_names
        if not name.startswith("_") and name not in SKIPPED_MODULES and half_of(name) is half
    )


def documentation_rows(half: Half, completion_characters_max: int = 200) -> list[DocumentationRow]:
    """The questions and answers of one half, in the order of their names, without repetitions.

    An answer is the docstring's summary: whole sentences, at most `completion_characters_max`
    characters. A prompt occurs once; a completion occurs once in each top-level module.
    """
    rows: list[DocumentationRow] = []
    prompts: set[str] = set()
    completions: set[tuple[str, str]] = set()
    for documented in _documented_objects(half):
        prompt = documented.kind.value.format(documented.name)
        completion = summary(documented.text, completion_characters_max)
        key = (documented.module, completion)
        if not completion or prompt in prompts or key in completions:
            continue
        prompts.add(prompt)
        completions.add(key)
        rows.append(DocumentationRow(prompt, completion, documented.module))
    return rows


def documentation_texts(half: Half) -> Iterator[str]:
    """Yield the whole docstrings of one half (modules, classes, routines), each text once."""
    seen: set[str] = set()
    for documented in _documented_objects(half):
        text = documented.text
        if len(text) >= TEXT_CHARACTERS_MIN and text not in seen and not _is_boilerplate(text):
            seen.add(text)
            yield text


def summary(text: str, characters_max: int) -> str:
    """The first paragraph of a docstring in whole sentences, or "" where it has no such summary."""
    paragraph = _first_paragraph(text)
    if _is_boilerplate(paragraph):
        return ""
    sentence = _whole_sentences(paragraph, characters_max)
    words = sentence.split()
    too_short = len(sentence) < SUMMARY_CHARACTERS_MIN or len(words) < SUMMARY_WORDS_MIN
    cut_inside_brackets = sentence.count("(") != sentence.count(")")
    if too_short or cut_inside_brackets or not sentence[0].isalpha() or not sentence.isascii():
        return ""
    return sentence


def _first_paragraph(text: str) -> str:
    """The first paragraph that is prose: signature-like lines before it are dropped."""
    lines = text.strip().splitlines()
    while lines and (not lines[0].strip() or _SIGNATURE_LINE.match(lines[0].strip())):
        lines.pop(0)
    paragraph = re.split(r"\n\s*\n", "\n".join(lines), maxsplit=1)[0]
    if "\n   " in paragraph or "\n- " in paragraph or "\n* " in paragraph:
        paragraph = re.split(r"\n(?:   |- |\* )", paragraph, maxsplit=1)[0]
    return _SIGNATURE_PREFIX.sub("", " ".join(paragraph.split()))


def _whole_sentences(paragraph: str, characters_max: int) -> str:
    """The longest run of whole sentences within the limit; an open end gets its full stop."""
    paragraph = paragraph.rstrip(" :;,-")
    if paragraph and paragraph[-1] not in ".!?\"')`":
        paragraph += "."
    ends = [match.end() for match in _SENTENCE_END.finditer(paragraph)]
    return paragraph[: max((end for end in ends if end <= characters_max), default=0)]


def _is_boilerplate(text: str) -> bool:
    marked = any(mark in text for mark in BOILERPLATE_MARKS)
    return not text or marked or text.startswith(BOILERPLATE_STARTS)


def _documented_objects(half: Half) -> Iterator[Documented]:
    for top_level_name in module_names(half):
        seen: set[int] = set()
        for module in _modules_under(top_level_name):
            yield from _documented_module(module, top_level_name, seen)


def _modules_under(top_level_name: str) -> list[types.ModuleType]:
    """The module and its public submodules, by name; those that cannot be imported are skipped."""
    top_level = _imported(top_level_name)
    if top_level is None:
        return []
    names = sorted(_submodule_names(top_level))
    submodules = (_imported(name) for name in names)
    return [top_level, *(module for module in submodules if module is not None)]


def _submodule_names(module: types.ModuleType) -> Iterator[str]:
    prefix = f"{module.__name__}."
    for found in pkgutil.iter_modules(getattr(module, "__path__", []), prefix):
        if not found.name.removeprefix(prefix).startswith(("_", "test")):
            yield found.name
            if found.ispkg and (package := _imported(found.name)) is not None:
                yield from _submodule_names(package)
    if module.__name__ == "os":
        yield "os.path"


def _imported(name: str) -> types.ModuleType | None:
    """The module, or None where this platform or build does not have it."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # Deprecated modules are documented as well; their warning is not this caller's concern.
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            return None


def _documented_module(
    module: types.ModuleType, top_level_name: str, seen: set[int]
) -> Iterator[Documented]:
    # os.path is named posixpath or ntpath by itself.
    name = "os.path" if module.__name__ in OWNER_OF_PLATFORM_MODULE else module.__name__
    if module.__doc__:
        yield Documented(name, Kind.MODULE, inspect.cleandoc(module.__doc__), top_level_name)
    for attribute, member in _public_members(module):
        if id(member) in seen or not _is_owned(member, top_level_name):
            continue
        seen.add(id(member))
        dotted_name = f"{name}.{attribute}"
        if inspect.isclass(member):
            yield from _documented_class(member, dotted_name, top_level_name)
        elif inspect.isroutine(member):
            yield from _documented_value(member, dotted_name, Kind.ROUTINE, top_level_name)


def _public_members(module: types.ModuleType) -> list[tuple[str, object]]:
    with warnings.catch_warnings():
        # Reading a deprecated attribute warns as importing a deprecated module does.
        warnings.simplefilter("ignore")
        names = getattr(module, "__all__", None) or dir(module)
        found = [(name, getattr(module, name, None)) for name in sorted(names)]
    return [(name, member) for name, member in found if not name.startswith("_")]


def _is_owned(member: object, top_level_name: str) -> bool:
    """Whether the object comes from this top-level module or from its private C accelerator."""
    home = str(getattr(member, "__module__", None) or top_level_name).partition(".")[0]
    owner = OWNER_OF_PLATFORM_MODULE.get(home, home)
    return owner == top_level_name or owner.startswith("_")


def _documented_class(owner: type, name: str, top_level_name: str) -> Iterator[Documented]:
    yield from _documented_value(owner, name, Kind.CLASS, top_level_name)
    for attribute in sorted(vars(owner)):
        if attribute.startswith("_"):
            continue
        member = inspect.getattr_static(owner, attribute)
        if isinstance(member, staticmethod | classmethod):
            member = member.__func__
        if inspect.isdatadescriptor(member):
            kind = Kind.CLASS
        elif inspect.isroutine(member):
            kind = Kind.ROUTINE
        else:
            continue
        if not _is_inherited_text(owner, attribute, member):
            yield from _documented_value(member, f"{name}.{attribute}", kind, top_level_name)


def _is_inherited_text(owner: type, attribute: str, member: object) -> bool:
    texts = {
        getattr(vars(base)[attribute], "__doc__", None)
        for base in owner.__mro__[1:]
        if attribute in vars(base)
    }
    return member.__doc__ in texts


def _documented_value(
    value: object, name: str, kind: Kind, top_level_name: str
) -> Iterator[Documented]:
    text = value.__doc__
    if isinstance(text, str) and text.strip() and text != object.__doc__:
        yield Documented(name, kind, inspect.cleandoc(text), top_level_name)
