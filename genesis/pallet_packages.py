"""Pallets from installed packages, as a chain spec lists them: name, index, package, source hash.

A package offers its pallet by an entry point in the group `openledger.pallets`:

    [project.entry-points."openledger.pallets"]
    Greeter = "greeter.pallet:Greeter"

Installing it changes nothing.  A chain runs it only if its chain spec says so, and the spec says
which sources: the hash of every module of the package is part of the spec, and so of the chain's
identity.  It is checked before the package is imported, so code with another hash never runs.

What the hash does not cover are the package's own dependencies beside OpenLedger: a pallet that
needs another library should not (pallets are pure), or pin its exact version.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from runtime.cbor import encode_plain
from runtime.errors import OpenLedgerError
from runtime.hashing import hasher
from runtime.pallet import Pallet
from runtime.types import U8, Hash, ShortText

ENTRY_POINT_GROUP = "openledger.pallets"
PACKAGES_MAX = 64
"""The most pallets from packages in one chain."""
SOURCE_FILES_MAX = 256
SOURCE_BYTES_MAX = 4 * 1024 * 1024
"""The most modules of a package, and the most bytes of all together."""
_CACHE_FOLDER = "__pycache__"
_NOT_SOURCE = tuple(suffix for suffix in importlib.machinery.all_suffixes() if suffix != ".py")
_hash_sources = hasher(b"pallet sources")


class PalletPackageError(OpenLedgerError):
    """A pallet that the chain spec lists cannot be loaded from this machine's packages."""


class PackageMissing(PalletPackageError):
    """No installed package offers the pallet."""


class PackageChanged(PalletPackageError):
    """The installed package is not the one that the chain spec names."""


@dataclass(frozen=True, slots=True)
class PalletPackage:
    """One `[[pallets]]` entry of a chain spec."""

    name: ShortText
    """The pallet's class, which is also the entry point's name."""
    index: U8
    package: ShortText
    """What to install: the distribution that offers the pallet."""
    source_hash: Hash


def describe_pallet(name: str) -> PalletPackage:
    """The entry for an installed pallet; raises `PalletPackageError`."""
    entry = _entry_point(name, None)
    found = source_hash(entry.module)
    pallet = _import_pallet(entry)
    return PalletPackage(name, pallet.definition.index, _distribution(entry), found)


def load_pallets(packages: Sequence[PalletPackage]) -> tuple[type[Pallet], ...]:
    """The classes of the listed pallets, in their order; raises `PalletPackageError`."""
    return tuple(_load_pallet(package) for package in packages)


def pallet_class(name: str) -> type[Pallet]:
    """The class of an installed pallet, whatever its sources; raises `PalletPackageError`."""
    return _import_pallet(_entry_point(name, None))


def package_folder(module: str) -> Path:
    """The folder of the package that a module belongs to; raises `PackageMissing`."""
    package = module.partition(".")[0]
    spec = importlib.util.find_spec(package)
    # A package without an __init__.py can be spread over several folders: nothing to hash.
    if spec is None or spec.origin is None or spec.submodule_search_locations is None:
        message = f"There is no package {package} with an __init__.py."
        raise PackageMissing(message, remedy="Give the pallet a package of its own.")
    return Path(spec.origin).parent


def source_hash(module: str) -> bytes:
    """The hash of all sources of the package that a module belongs to.

    It is over the canonical CBOR of (path, content) of each `.py` file, paths relative to the
    package, with `/`, in the order of their bytes.  Raises `PalletPackageError`.
    """
    root = package_folder(module)
    sources = sorted(_sources(root))
    if sum(len(content) for _, content in sources) > SOURCE_BYTES_MAX:
        message = f"{root} has more than {SOURCE_BYTES_MAX} bytes of sources."
        raise PalletPackageError(message, remedy="Keep what is no pallet in another package.")
    return _hash_sources(encode_plain(tuple(sources)))


def _sources(root: Path) -> Iterator[tuple[str, bytes]]:
    count = 0
    for path in sorted(root.rglob("*")):
        if not path.is_file() or _is_cache(path):
            continue
        if path.name.endswith(_NOT_SOURCE):
            message = f"{path} can be imported and is no source."
            raise PalletPackageError(message, remedy="A pallet's package holds .py modules only.")
        if path.suffix == ".py":
            count += 1
            if count > SOURCE_FILES_MAX:
                message = f"{root} has more than {SOURCE_FILES_MAX} modules."
                remedy = "Keep what is no pallet in another package."
                raise PalletPackageError(message, remedy=remedy)
            yield path.relative_to(root).as_posix(), path.read_bytes()


def _is_cache(path: Path) -> bool:
    """Whether Python wrote the file beside a source: `pallet.cpython-311.pyc`.

    Any other file in a cache folder can be imported as `package.__pycache__.name`, and is not left
    out.
    """
    return path.parent.name == _CACHE_FOLDER and path.suffix == ".pyc" and "." in path.stem


def _load_pallet(package: PalletPackage) -> type[Pallet]:
    entry = _entry_point(package.name, package.package)
    found = source_hash(entry.module)
    if found != package.source_hash:
        message = (
            f"The installed {package.package} is not the one of this chain: its sources have the "
            f"hash {found.hex()}, and the chain spec says {package.source_hash.hex()}."
        )
        remedy = f"Install the version of {package.package} that the chain was made with."
        raise PackageChanged(message, remedy=remedy)
    pallet = _import_pallet(entry)
    if pallet.definition.index != package.index:
        message = (
            f"{package.name} has the index {pallet.definition.index}, "
            f"and the chain spec says {package.index}."
        )
        raise PackageChanged(message, remedy="Correct the index in the chain spec.")
    return pallet


def _entry_point(name: str, package: str | None) -> EntryPoint:
    found = [
        entry
        for entry in entry_points(group=ENTRY_POINT_GROUP, name=name)
        if package is None or _distribution(entry) == package
    ]
    if not found:
        offered = ", ".join(sorted(entry_points(group=ENTRY_POINT_GROUP).names)) or "none"
        message = f"No installed package {package or ''} offers a pallet {name}.".replace("  ", " ")
        remedy = f"Install it with `pip install {package or 'PACKAGE'}`; installed are: {offered}."
        raise PackageMissing(message, remedy=remedy)
    if len(found) > 1:
        packages = ", ".join(_distribution(entry) for entry in found)
        message = f"Several installed packages offer a pallet {name}: {packages}."
        raise PalletPackageError(message, remedy="Uninstall all but one of them.")
    return found[0]


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else ""


def _import_pallet(entry: EntryPoint) -> type[Pallet]:
    try:
        pallet = entry.load()
    except (ImportError, AttributeError) as error:
        message = f"The entry point {entry.name} = {entry.value} cannot be imported: {error}."
        raise PackageMissing(
            message, remedy="Correct it in the package's pyproject.toml."
        ) from error
    if not isinstance(pallet, type) or not issubclass(pallet, Pallet):
        message = f"The entry point {entry.name} = {entry.value} is not a pallet's class."
        raise PalletPackageError(message, remedy="Name a subclass of runtime.Pallet.")
    if pallet.definition.name != entry.name:
        message = f"The entry point {entry.name} leads to a pallet named {pallet.definition.name}."
        raise PalletPackageError(message, remedy="Name the entry point as the class.")
    return pallet
