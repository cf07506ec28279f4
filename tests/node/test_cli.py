"""The command line: results for people and programs, errors in a sentence with a remedy."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from genesis.chain_spec import (
    DEV_ACCOUNTS,
    dev_spec,
    development_keypair,
)
from node.cli.arguments import options_of, typed_arguments, typed_value
from node.cli.main import app
from node.errors import ConfigError
from node.keystore import DerivationCost, Keystore, seed_words, unlock_file
from pallets.balances.pallet import Balances
from runtime.codec import codec_of
from runtime.types import OPEN, Amount, Hash
from runtime.wire.records import JobState
from runtime.wire.training_parameters import TrainingParameters

Run = Callable[..., Any]
PASSWORD = {"OPENLEDGER_PASSWORD": "secret"}


def fails(result: Any) -> str:
    """What a failed command says."""
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("Error: ")
    said: str = result.stderr
    return said


def test_a_transfer_and_its_effect(dev_node: Any, openledger: Run) -> None:
    """tx, query and status agree, in JSON."""
    node = ("--node", dev_node.url, "--json")
    receiver = "07" * 32
    sent = openledger(
        "tx", "balances", "transfer", "--receiver", receiver, "--amount=2.5OPEN",
        "--key", "dev:faucet", *node,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    inclusion = json.loads(sent.stdout)
    assert inclusion["ok"]
    account = openledger("query", "balances", "accounts", receiver, *node)
    assert json.loads(account.stdout)["free"] == 25 * OPEN // 10
    status = openledger("status", inclusion["extrinsic_hash"], *node)
    assert json.loads(status.stdout)["height"] == inclusion["height"]
    listed = json.loads(openledger("query", "Balances", "accounts", *node).stdout)
    assert receiver in [entry["key"] for entry in listed]
    health = json.loads(openledger("status", *node).stdout)
    assert health["finalized_height"] >= inclusion["height"]


def test_a_query_can_be_proved_at_any_height(dev_node: Any, openledger: Run) -> None:
    """Value, height and block; block 0, which no votes finalise, too; absence is null."""
    node = ("--node", dev_node.url)
    proved = json.loads(openledger("query", "balances", "issuance", "--prove", *node).stdout)
    first = json.loads(openledger("query", "balances", "issuance", "--at", "0", *node).stdout)
    assert proved["value"] > 0
    assert (first["height"], len(first["block"])) == (0, 64)
    account = ("query", "balances", "accounts", "09" * 32, "--at", "0")
    assert json.loads(openledger(*account, *node).stdout)["value"] is None


def test_people_get_text(dev_node: Any, openledger: Run) -> None:
    """Without --json the same commands print lines and tables."""
    node = ("--node", dev_node.url)
    calls = openledger("tx", *node)
    assert "Balances.transfer" in calls.stdout
    assert "--receiver --amount" in calls.stdout
    items = openledger("query", *node)
    assert "Balances.accounts" in items.stdout
    remark = ("tx", "system", "remark", "--data", "00ff", "--key=dev:faucet", *node)
    assert int(openledger(*remark, "--cost").stdout.split()[1]) > 0
    sent = openledger(*remark, "--era=immortal")
    assert "included" in sent.stdout
    assert "finalized_height" in openledger("status", *node).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tx", "nothing"), "There is no pallet 'nothing'. Choose one of System"),
        (("tx", "balances", "fly"), "There is no call 'fly'. Choose one of transfer"),
        (("tx", "Balances.transfer"), "Write two words: Balances transfer."),
        (("query", "Balances.accounts"), "Write two words: Balances accounts."),
        (("tx", "balances", "transfer"), "missing. The call takes: --receiver bytes[32]"),
        (("tx", "balances", "transfer", "--reciever=1"), "--reciever is unknown"),
        (("tx", "balances", "burn", "--amount=much"), "'much' is not a value for amount."),
        (("tx", "balances", "burn", "5"), "'5' is not an option with a value."),
        (("tx", "balances", "burn", "--amount=5", "--era=0"), "'0' is not a number of blocks."),
        (("tx", "balances", "burn", "--amount=5", "--era=never"), "1 to 65535, or with `immortal`"),
        (("tx", "balances", "burn", "--amount=5", "--key=dev:nobody"), "no development account"),
        (("tx", "balances", "burn", "--amount=5", "--key=mine"), "There is no key 'mine'."),
        (("query", "balances", "accounts", "12"), "'12' is not a value for part 0 of the key."),
        (("query", "balances", "issuance", "12"), "The key has 1 parts, not 0."),
        (("query", "balances", "wings"), "no storage item Balances.wings"),
        (("query", "nothing", "x"), "There is no pallet 'nothing'."),
        (("status", "--node", "http://127.0.0.1:1"), "No node answers at http://127.0.0.1:1."),
        (("status", "12"), "extrinsic_hash"),
        (("keys", "new", "Bad Name"), "cannot be the name of a key"),
        (("keys", "export", "nobody"), "There is no"),
        (("node", "--data=/dev/null/x", "--key=k"), "--chain"),
        (("init", "--data=d", "--chain=/nonexistent.toml"), "/nonexistent.toml"),
    ],
)
def test_errors_are_a_sentence_and_a_remedy(
    dev_node: Any, openledger: Run, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    """Exit code 2, on stderr, without a traceback."""
    result = openledger(
        *arguments,
        OPENLEDGER_NODE=dev_node.url,
        OPENLEDGER_HOME=str(tmp_path),
        **PASSWORD,
    )
    assert says in fails(result)


def test_a_failed_call_says_why(dev_node: Any, openledger: Run) -> None:
    """The pallet's own sentence and remedy reach the terminal."""
    result = openledger(
        "tx", "balances", "burn", f"--amount={10**12}OPEN",
        "--key=dev:faucet", "--node", dev_node.url,
    )  # fmt: skip
    assert "balance is too low" in fails(result)


def test_wrong_usage_is_exit_code_2(openledger: Run) -> None:
    """Unknown commands and options are typer's to explain."""
    for arguments in (("fly",), ("dev", "--wings"), ("dev", "--rpc-port=many")):
        result = openledger(*arguments)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr


def test_keys_are_kept_and_used(dev_node: Any, openledger: Run, tmp_path: Path) -> None:
    """new, list, export and a transaction signed with the key."""
    home = {"OPENLEDGER_HOME": str(tmp_path), **PASSWORD}
    made = json.loads(openledger("keys", "new", "carol", "--json", **home).stdout)
    listed = json.loads(openledger("keys", "list", "--json", **home).stdout)
    assert listed == [made]
    seed = openledger("keys", "export", "carol", **home).stdout.strip()
    assert len(bytes.fromhex(seed)) == 32
    sent = openledger(
        "tx", "balances", "transfer", "--receiver", "carol", "--amount", "1OPEN",
        "--key", "dev:faucet", "--node", dev_node.url, **home,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    spent = openledger(
        "tx", "balances", "burn", "--amount", "1", "--key", "carol", "--node", dev_node.url, **home
    )
    assert spent.returncode == 0, spent.stderr
    wrong = openledger("keys", "export", "carol", **{**home, "OPENLEDGER_PASSWORD": "guess"})
    assert "does not open" in fails(wrong)


def test_keys_travel_as_words_and_files(
    openledger: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New --words, mnemonic, import of words and files, export, show, change-password."""
    home = {"OPENLEDGER_HOME": str(tmp_path / "home"), **PASSWORD}
    made = json.loads(openledger("keys", "new", "carol", "--words", "--json", **home).stdout)
    words = json.loads(openledger("keys", "mnemonic", "carol", "--json", **home).stdout)["words"]
    assert made["words"] == " ".join(words)
    assert len(words) == 24
    monkeypatch.setattr(sys, "stdin", io.StringIO(made["words"] + "\n"))
    copied = json.loads(openledger("keys", "import", "dave", "--json", **home).stdout)
    assert copied["account"] == made["account"]
    file = str(tmp_path / "carol.json")
    assert openledger("keys", "export", "carol", "--file", file, **home).returncode == 0
    taken = openledger("keys", "import", "erin", "--file", file, "--json", **home)
    assert json.loads(taken.stdout)["account"] == made["account"]
    new_password = tmp_path / "new"
    new_password.write_text("another\n")
    change = ("keys", "change-password", "erin", "--new-password-file", str(new_password))
    assert openledger(*change, **home).returncode == 0
    shown = json.loads(openledger("keys", "show", "erin", "--json", **home).stdout)
    assert shown["account"] == made["account"]
    assert "does not open" in fails(openledger("keys", "export", "erin", **home))


def test_no_secret_is_ever_logged_or_shown(
    start_node: Callable[..., Any], openledger: Run, tmp_path: Path
) -> None:
    """Not in the log of a node at the lowest level, nor in an error, nor in a repr."""
    keystore = Keystore(tmp_path / "keys", cost=DerivationCost(1, 8192))
    seed = DEV_ACCOUNTS["validator"]
    entry = keystore.keep("validator", "a secret password", seed)
    password = tmp_path / "password"
    password.write_text("a secret password\n")
    dev_spec().save(tmp_path / "spec.toml")
    options = ("--key", str(entry.path), "--password-file", str(password), "--p2p-port", "0")
    chain = ("--chain", str(tmp_path / "spec.toml"), "--log-level", "debug")
    node = start_node(start=("node", *options, *chain))
    with node.client() as client:
        client.wait_height(2)
        client.try_many("author_submitExtrinsic", [["zz"], ["00"]])
    assert node.stop() == 0
    guess = openledger("tx", "system", "remark", "--data", "00", *options[:2], **PASSWORD)
    keypair = unlock_file(keystore.path("validator"), "a secret password")
    seen = node.log.read_text() + guess.stdout + guess.stderr + repr((entry, keystore, keypair))
    assert "height" in seen
    for secret in (seed.hex(), "a secret password", seed_words(seed)):
        assert secret not in seen


def test_a_dry_run_says_what_would_happen(dev_node: Any, openledger: Run) -> None:
    """Result, fee, events and storage; 1 for a call that would fail; no password is needed."""
    node = ("--node", dev_node.url, "--dry-run")
    call = ("tx", "balances", "transfer", "--receiver", "dev:bob")
    good = openledger(*call, "--amount", "1OPEN", *node, "--json")
    rehearsed = json.loads(good.stdout)
    assert (good.returncode, rehearsed["ok"]) == (0, True)
    assert "Balances.accounts" in {each["item"] for each in rehearsed["storage"]}
    bad = openledger(*call, "--amount", "9_999_999_999OPEN", *node)
    assert bad.returncode == 1
    assert "Balances.Insufficient" in bad.stdout
    poor = openledger(*call, "--amount", "1", "--key", "09" * 32, *node)
    assert "fee and tip" in fails(poor)


def test_a_configuration_is_checked_before_the_start(
    dev_node: Any, openledger: Run, tmp_path: Path
) -> None:
    """What is fit, and each thing that is not, with its remedy."""
    spec, data = tmp_path / "spec.toml", str(tmp_path / "node")
    dev_spec().save(spec)
    key = Keystore(tmp_path / "keys", cost=DerivationCost(1, 8192)).new("v", "1").path
    fit = openledger("config", "check", "--data", data, "--chain", str(spec), "--key", str(key))
    assert fit.returncode == 0, fit.stdout
    key.chmod(0o644)
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "thesis.txt").touch()
    port = dev_node.url.rpartition(":")[2]
    unfit = openledger(
        "config", "check", "--data", data, "--key", str(key), "--rpc-port", port, "--json"
    )
    assert unfit.returncode == 1
    found = {each["name"]: each for each in json.loads(unfit.stdout)}
    failed = {name for name, each in found.items() if not each["ok"]}
    assert failed == {"chain spec", "data directory", "key", f"port {port}"}
    assert all(found[name]["remedy"] for name in failed)
    running = openledger("config", "check", "--data", str(dev_node.data), "--chain", str(spec))
    assert running.returncode == 0, running.stdout


def test_a_chain_is_begun_by_several_parties(openledger: Run, tmp_path: Path) -> None:
    """Draft, an entry of each, and a chain spec that `init` takes with the same genesis hash."""
    draft, spec = str(tmp_path / "draft.toml"), str(tmp_path / "chain.toml")
    made = openledger("genesis", "new", "ours", "--output", draft, "--json")
    entries = []
    for name in ("alice", "bob"):
        entries.append(str(tmp_path / f"{name}.toml"))
        added = openledger(
            "genesis", "add-validator", "--draft", draft, "--moniker", name,
            "--bond", "20000OPEN", "--key", f"dev:{name}", "--output", entries[-1], "--json",
        )  # fmt: skip
        assert json.loads(added.stdout)["draft_hash"] == json.loads(made.stdout)["draft_hash"]
    collect = ("genesis", "collect", "--draft", draft, *entries)
    collected = json.loads(openledger(*collect, "--output", spec, "--json").stdout)
    assert collected["validators"] == 2
    started = openledger("init", "--data", str(tmp_path / "node"), "--chain", spec, "--json")
    assert json.loads(started.stdout)["genesis_hash"] == collected["genesis_hash"]
    assert "not there yet" in fails(openledger(*collect, "--output", spec))


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its words."""

    def walk(command: Any, words: str) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield words, command
        else:
            for name, each in inner.items():
                yield from walk(each, f"{words} {name}")

    return walk(typer.main.get_command(app), "openledger")


@pytest.mark.parametrize(("words", "command"), list(commands()))
def test_every_command_explains_itself(words: str, command: Any) -> None:
    """--help begins with a sentence and ends with an example of this command; --json is there."""
    text = command.help or ""
    assert text.split("\n\n")[0].rstrip().endswith((".", "...", "].")), text
    assert f"Example: {words}" in text
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--json" in options
    assert all(getattr(each, "help", "") for each in command.params if "--help" not in each.opts)


def account_of(name: str) -> bytes | None:
    """The names that these tests know."""
    return development_keypair("user").account if name == "dev:user" else None


def test_a_validator_proves_its_keys(dev_node: Any, openledger: Run) -> None:
    """To a running chain, which then knows what its node signs with."""
    alice = ("--key", "dev:alice")
    node = ("--node", dev_node.url, "--json")
    sent = json.loads(openledger("validator", "set-keys", *alice, *node).stdout)
    stored = openledger("query", "Session", "keys", sent["account"], *node)
    assert json.loads(stored.stdout) == sent["keys"]


def test_arguments_become_typed_values() -> None:
    """Accounts by name, amounts with a unit, records as JSON, None, enums by name."""
    items = Balances.transfer.definition.arguments.items
    words = ["--receiver", "dev:user", "--amount=1.000000000000000001OPEN"]
    values = typed_arguments(items, options_of(words), account_of)
    assert values == {"receiver": development_keypair("user").account, "amount": OPEN + 1}
    names = [field.name for field in dataclasses.fields(TrainingParameters)]
    parameters: dict[str, Any] = dict.fromkeys(names, 1)
    parameters |= {"target_modules": ["q_proj"], "schedule": "LINEAR", "packing": True}
    parameters["prompt_template"] = ""
    text = json.dumps(parameters)
    record = typed_value(codec_of(TrainingParameters), text, "parameters", account_of)
    assert record.target_modules == ("q_proj",)
    assert typed_value(codec_of(Hash | None), "null", "hash", account_of) is None
    assert typed_value(codec_of(JobState), "OPEN", "state", account_of) is JobState.OPEN
    pairs = codec_of(tuple[Hash, Amount])
    value = typed_value(pairs, json.dumps(["00" * 32, "3OPEN"]), "pair", account_of)
    assert value == (bytes(32), 3 * OPEN)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "0.0000000000000000001OPEN", "xOPEN", "1e5"])
def test_amounts_are_exact_or_refused(text: str) -> None:
    """No rounding, no floats, no negative amounts."""
    with pytest.raises(ConfigError, match="not a value"):
        typed_value(codec_of(Amount), text, "amount", account_of)


def test_heavy_libraries_stay_out() -> None:
    """Starting the command imports neither torch nor transformers nor pyarrow."""
    code = (
        "import sys; import node.cli.main; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'pyarrow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_is_a_process(openledger_process: Run) -> None:
    """`python -m node.cli` works outside of pytest: help, and an error with its exit code."""
    result = openledger_process("--help")
    assert result.returncode == 0
    assert "status" in result.stdout
    assert "No node answers" in fails(openledger_process("status", "--node", "http://127.0.0.1:1"))
