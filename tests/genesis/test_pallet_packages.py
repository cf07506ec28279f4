"""Pallets from packages: found by entry point, checked by hash and index before they run."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace

import pytest

from genesis.chain_spec import ChainSpec, dev_spec, genesis_block
from genesis.compose import compose
from genesis.pallet_packages import (
    SOURCE_BYTES_MAX,
    PackageChanged,
    PackageMissing,
    PalletPackageError,
    describe_pallet,
    load_pallets,
    source_hash,
)
from runtime.errors import DefinitionError

PALLET = '''"""A pallet."""
from runtime import Pallet, Signed, Weight, call
{imports}

class {name}(Pallet, index={index}):
    """A pallet."""
    {needs}

    @call(0, weight=Weight(reads=0, writes=0))
    def nothing(self, sender: Signed) -> None:
        """Do nothing."""
'''


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install packages into a folder of this test, and forget them afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write(package, name="Greeter", *, index=100, entry=None, needs="", imports="", files=()):
        folder = tmp_path / package
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        text = PALLET.format(name=name, index=index, needs=needs, imports=imports)
        (folder / "pallet.py").write_text(text)
        for path, content in files:
            (folder / path).parent.mkdir(exist_ok=True, parents=True)
            (folder / path).write_bytes(content)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        value = entry or f"{package}.pallet:{name}"
        (info / "entry_points.txt").write_text(f"[openledger.pallets]\n{name} = {value}\n")
        importlib.invalidate_caches()
        return folder

    yield write
    for package in {module.partition(".")[0] for module in set(sys.modules) - before}:
        if package.startswith("greeter"):
            forget(package)


def forget(package):
    """Have the next import read the package's files again."""
    for module in [each for each in sys.modules if each.partition(".")[0] == package]:
        del sys.modules[module]
    importlib.invalidate_caches()


def spec_with(*packages) -> ChainSpec:
    return replace(dev_spec(), pallets=packages)


def test_a_listed_pallet_is_in_the_runtime_and_an_installed_one_is_not(install):
    """Installing changes nothing; the chain spec does, in what runs and in the chain's identity."""
    without = genesis_block(dev_spec())[0].header.id()
    install("greeter")
    block, _, runtime = genesis_block(dev_spec())
    assert "Greeter" not in runtime.pallets
    assert block.header.id() == without
    block, _, runtime = genesis_block(spec_with(describe_pallet("Greeter")))
    assert list(runtime.pallets)[-1] == "Greeter"
    assert block.header.id() != without


def test_the_spec_survives_toml(install):
    """Name, index, package and hash are written and read."""
    install("greeter", index=77)
    spec = spec_with(describe_pallet("Greeter"))
    (entry,) = ChainSpec.from_toml(spec.to_toml()).pallets
    assert (entry.name, entry.index, entry.package) == ("Greeter", 77, "greeter")
    assert entry == spec.pallets[0]


def test_another_source_is_refused_before_it_is_imported(install):
    """One changed byte in any module: the node does not start, and the code does not run."""
    folder = install("greeter")
    entry = describe_pallet("Greeter")
    forget("greeter")
    (folder / "other.py").write_text("x = 1\n")
    with pytest.raises(PackageChanged, match="its sources have the") as caught:
        genesis_block(spec_with(entry))
    assert "Install the version of greeter" in caught.value.remedy
    assert "greeter.pallet" not in sys.modules


def test_what_is_hashed(install):
    """Paths and contents of the modules, tests and data and caches apart."""
    folder = install("greeter")
    first = source_hash("greeter.pallet")
    (folder / "README.md").write_text("x")
    (folder / "__pycache__").mkdir(exist_ok=True)
    (folder / "__pycache__" / "pallet.cpython-311.pyc").write_bytes(b"x")
    assert source_hash("greeter") == first
    (folder / "__pycache__" / "hidden.py").write_text("x")
    hidden = source_hash("greeter")
    (folder / "__pycache__" / "hidden.py").unlink()
    assert hidden != first
    (folder / "a.py").write_text("x")
    second = source_hash("greeter")
    (folder / "a.py").rename(folder / "b.py")
    assert len({first, second, source_hash("greeter")}) == 3


@pytest.mark.parametrize(
    "name", ["fast.so", "__pycache__/evil.pyc", "fast.cpython-311-x86_64-linux-gnu.so", "old.pyc"]
)
def test_a_module_without_source_is_refused(install, name):
    """What the hash could not cover may not be there."""
    install("greeter", files=[(name, b"")])
    with pytest.raises(PalletPackageError, match="is no source"):
        describe_pallet("Greeter")


def test_a_package_has_limits(install):
    """So many modules and so many bytes."""
    folder = install("greeter", files=[(f"m{number}.py", b"") for number in range(260)])
    with pytest.raises(PalletPackageError, match="modules"):
        describe_pallet("Greeter")
    for path in folder.glob("m*.py"):
        path.unlink()
    (folder / "large.py").write_bytes(b"#" * (SOURCE_BYTES_MAX + 1))
    with pytest.raises(PalletPackageError, match="bytes"):
        describe_pallet("Greeter")


def test_a_missing_package_says_what_to_install(install):
    """Neither the node nor `--pallet` finds it; both name the remedy."""
    folder = install("greeter")
    entry = describe_pallet("Greeter")
    with pytest.raises(PackageMissing) as caught:
        load_pallets([replace(entry, package="another")])
    assert caught.value.message == "No installed package another offers a pallet Greeter."
    assert caught.value.remedy == "Install it with `pip install another`; installed are: Greeter."
    with pytest.raises(PackageMissing, match="No installed package offers a pallet Nothing"):
        describe_pallet("Nothing")
    (folder / "__init__.py").unlink()
    forget("greeter")
    with pytest.raises(PackageMissing, match="__init__"):
        source_hash("greeter.pallet")


@pytest.mark.parametrize(
    ("package", "entry", "says"),
    [
        ("greeter_a", "greeter_a.pallet:Nothing", "cannot be imported"),
        ("greeter_b", "greeter_b.nothing:Greeter", "cannot be imported"),
        ("greeter_c", "greeter_c.pallet:PALLET_NAME", "cannot be imported"),
        ("greeter_d", "greeter_d.pallet:Weight", "is not a pallet's class"),
    ],
)
def test_an_entry_point_must_lead_to_a_pallet(install, package, entry, says):
    """A sentence names the entry point."""
    install(package, entry=entry)
    with pytest.raises(PalletPackageError, match=says) as caught:
        describe_pallet("Greeter")
    assert caught.value.remedy


def test_an_entry_point_is_named_as_its_class(install):
    """Otherwise the spec would name one pallet and run another."""
    folder = install("greeter")
    (folder / "pallet.py").write_text(PALLET.format(name="Other", index=9, needs="", imports=""))
    entries = folder.parent / "greeter-1.0.dist-info" / "entry_points.txt"
    entries.write_text("[openledger.pallets]\nGreeter = greeter.pallet:Other\n")
    with pytest.raises(PalletPackageError, match="leads to a pallet named Other"):
        describe_pallet("Greeter")


def test_two_packages_may_not_offer_one_name(install):
    """Which one is meant is not for chance to decide; the spec's package decides."""
    install("greeter_one")
    install("greeter_two", index=101)
    with pytest.raises(PalletPackageError, match="greeter_"):
        describe_pallet("Greeter")


def test_an_index_is_the_one_of_the_spec(install):
    """A spec that was edited by hand is refused."""
    install("greeter")
    entry = describe_pallet("Greeter")
    with pytest.raises(PackageChanged, match="has the index 100, and the chain spec says 101"):
        load_pallets([replace(entry, index=101)])


def test_clashes_are_errors(install):
    """An index or a name that a built-in pallet has, or the same pallet twice."""
    install("greeter", index=20)
    with pytest.raises(DefinitionError, match="both have the index 20"):
        genesis_block(spec_with(describe_pallet("Greeter")))
    install("greeter_balances", "Balances", index=200)
    with pytest.raises(DefinitionError, match="two pallets named Balances"):
        genesis_block(spec_with(describe_pallet("Balances")))


def test_needs_are_met_by_name(install):
    """`currency` is Balances; what nobody offers is an error that lists what is offered."""
    trait = "from runtime import Needs\nfrom runtime.traits import Currency"
    install("greeter", needs="currency: Needs[Currency]", imports=trait)
    runtime, pallets = compose(load_pallets([describe_pallet("Greeter")]))
    assert runtime.pallets["Greeter"].currency is pallets.balances
    install("greeter_poor", "Poor", needs="moon: Needs[Currency]", imports=trait)
    with pytest.raises(DefinitionError, match="Poor needs moon") as caught:
        compose(load_pallets([describe_pallet("Poor")]))
    assert "currency" in caught.value.remedy
