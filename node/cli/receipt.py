"""`openledger receipt`: verify and show receipt files, without a node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from node.errors import ConfigError
from node.payout_reasons import explanation
from node.receipt_files import Verified, read_receipt, verify_receipt
from node.receipt_json import receipt_document
from runtime.errors import OpenLedgerError

app = typer.Typer(no_args_is_help=True, help="Verify and show receipts, offline.")

Files = Annotated[list[Path], typer.Argument(help="Receipt files.")]
File = Annotated[Path, typer.Argument(help="Receipt file.")]
Genesis = Annotated[str, typer.Option(help="Hash (hex) of the chain you trust; recommended.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def verify(files: Files, genesis: Genesis = "", as_json: AsJson = False) -> None:
    """Check every link of each receipt; exit 1 if any fails.

    Example: openledger receipt verify receipt.json
    """
    trusted = parse_genesis(genesis)
    results = [verify_file(path, trusted) for path in files]
    failed = [path for path, result in zip(files, results, strict=True) if isinstance(result, str)]
    if as_json:
        print(json.dumps(summary(files, results), indent=2))
    else:
        for path, result in zip(files, results, strict=True):
            print(f"FAILED {path}: {result}" if isinstance(result, str) else f"ok {path}")
        print(f"{len(files) - len(failed)} of {len(files)} receipts hold.")
        chains = sorted({r.genesis_hash.hex() for r in results if isinstance(r, Verified)})
        if not trusted and chains:
            print(
                f"They belong to the chain {', '.join(chains)}; compare it with the one you trust."
            )
    if failed:
        raise typer.Exit(1)


@app.command()
def show(file: File, genesis: Genesis = "", as_json: AsJson = False) -> None:
    """Verify one receipt and print each link in a sentence; as JSON, the receipt itself.

    The JSON form has a schema, docs/reference/receipt.schema.json, and verifies like the file.

    Example: openledger receipt show bob-epoch-0.receipt --json > bob.json
    """
    receipt = read_receipt(file)
    verified = verify_receipt(receipt, parse_genesis(genesis))
    if as_json:
        print(json.dumps(receipt_document(receipt), indent=1))
        return
    for number, step in enumerate(verified.steps, 1):
        print(f"{number}. {step.sentence}")
    print(f"chain {verified.genesis_hash.hex()}")


@app.command()
def explain(file: File, genesis: Genesis = "", as_json: AsJson = False) -> None:
    """Verify one receipt and say what was paid for what, with every number behind it.

    Example: openledger receipt explain bob-epoch-0.receipt
    """
    receipt = read_receipt(file)
    verified = verify_receipt(receipt, parse_genesis(genesis))
    sentences = explanation(receipt)
    if as_json:
        facts = [{"link": step.link, "facts": dict(step.facts)} for step in verified.steps]
        print(json.dumps({"sentences": sentences, "links": facts}, indent=1))
        return
    for sentence in sentences:
        print(sentence)
    for step in verified.steps:
        print(f"\n{step.link}: {step.sentence}")
        for name, value in step.facts:
            print(f"  {name:<22} {value}")


def parse_genesis(text: str) -> bytes | None:
    """The trusted chain's hash, or None when none is named; raises `ConfigError`."""
    if not text:
        return None
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        value = b""
    if len(value) != 32:
        raise ConfigError(
            f"--genesis {text} is not a block hash.",
            remedy="Give 64 hexadecimal digits, as `openledger status` prints them.",
        )
    return value


def verify_file(path: Path, trusted: bytes | None) -> Verified | str:
    """The verified receipt, or the sentence that says what is wrong with it."""
    try:
        return verify_receipt(read_receipt(path), trusted)
    except OpenLedgerError as error:
        return str(error)


def summary(files: list[Path], results: list[Verified | str]) -> dict[str, object]:
    """The JSON form: counts and one object a file."""
    items = [
        {"file": str(path), "ok": False, "error": result}
        if isinstance(result, str)
        else {
            "file": str(path),
            "ok": True,
            "kind": result.kind,
            "genesis": result.genesis_hash.hex(),
            "steps": [step.sentence for step in result.steps],
        }
        for path, result in zip(files, results, strict=True)
    ]
    return {"verified": sum(bool(item["ok"]) for item in items), "files": items}
