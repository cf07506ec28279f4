"""`openledger gov`: propose, simulate, vote and delegate; what is decided, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.key_choice import KeyOption, PasswordFile, account_of, choose_key, named_account
from node.cli.output import (
    DEFAULT_NODE_URL,
    JsonFlag,
    NodeUrl,
    print_fields,
    print_json,
    print_table,
)
from node.cli.query import pallet_name
from node.errors import ConfigError

if TYPE_CHECKING:
    from node.client import NodeClient
    from node.simulation import Difference, Simulation
    from runtime.calls import RuntimeCall
    from runtime.wire.votes import TrackName

EXIT_WOULD_FAIL = 1
REFERENDA_MAX = 1_000
app = typer.Typer(
    no_args_is_help=True,
    help="Change the chain by referendum.\n\nExample: openledger gov list",
)
Number = Annotated[int, typer.Argument(help="The referendum's number.", min=0)]
Track = Annotated[
    str, typer.Option(help="root, parameters, small_spender, large_spender, canceller or killer.")
]
PalletName = Annotated[str, typer.Argument(help="Pallet of the proposed call, e.g. Treasury.")]
CallName = Annotated[str, typer.Argument(help="Call, e.g. spend_small.")]
MaybePallet = Annotated[str | None, typer.Argument(help="Pallet, or the number of a referendum.")]
MaybeCall = Annotated[str | None, typer.Argument(help="Call, with --argument value ...")]
Amount = Annotated[str, typer.Argument(help="How much to vote with, e.g. 100OPEN.")]
Conviction = Annotated[int, typer.Option(help="0 (a tenth of a vote, no lock) to 6.", min=0, max=6)]
_EXTRA = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(context_settings=_EXTRA)
def propose(
    context: typer.Context,
    pallet: PalletName,
    call: CallName,
    track: Track = "parameters",
    enact_after: Annotated[int, typer.Option(help="Blocks from approval to call.", min=0)] = 0,
    deposit: Annotated[
        bool, typer.Option("--deposit", help="Leave the decision deposit as well.")
    ] = False,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Note a call, and submit a referendum on it: gov propose PALLET CALL --argument value ...

    A parameter is named and valued as one reads it: gov propose parameter Session.session_blocks
    --value 600

    Example: openledger gov propose parameter Session.session_blocks --value 600 --deposit
    """
    from node.client import NodeClient
    from pallets.governance.pallet import Governance
    from pallets.preimage.pallet import Preimage
    from pallets.utility.pallet import Utility
    from runtime.cbor import encode
    from runtime.hashing import hash_call

    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        value = _call(client, pallet, call, context.args)
        call_hash = hash_call(encode(value.to_plain()))
        submit = Governance.submit.Call(
            track=_track(track), call_hash=call_hash, enactment_blocks=enact_after
        )
        noted = client.read("Preimage", "calls", call_hash) is not None
        both = (submit,) if noted else (Preimage.note.Call(call=value), submit)
        inclusion = client.submit(Utility.batch_all.Call(calls=both), keypair)
        number = _field(inclusion.events, "Governance.Submitted", "referendum")
        if deposit:
            client.submit(Governance.place_decision_deposit.Call(referendum=number), keypair)
    fields = {"referendum": number, "track": track, "call_hash": call_hash}
    (print_json if as_json else print_fields)(fields)


@app.command(context_settings=_EXTRA)
def simulate(
    context: typer.Context,
    pallet: MaybePallet = None,
    call: MaybeCall = None,
    track: Track = "root",
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Carry a call out on a fork of the live state, and print what it changes; exit 1 if it fails.

    With the number of a referendum, its call and its track; otherwise as `gov propose`.

    Example: openledger gov simulate 3
    """
    from node.client import NodeClient
    from node.simulation import simulate as run

    with NodeClient(node) as client:
        if pallet is not None and pallet.isdecimal():
            value, origin = _proposed(client, int(pallet))
        elif pallet is not None and call is not None:
            value, origin = _call(client, pallet, call, context.args), _origin(_track(track))
        else:
            message = "There is nothing to simulate."
            raise ConfigError(message, remedy="Give a referendum's number, or PALLET CALL.")
        simulation = run(client, value, origin)
    if as_json:
        print_json(simulation)
    else:
        _print_simulation(simulation)
    if simulation.error:
        raise typer.Exit(EXIT_WOULD_FAIL)


@app.command()
def vote(
    referendum: Number,
    side: Annotated[str, typer.Argument(help="aye, nay or abstain.")],
    amount: Amount,
    conviction: Conviction = 0,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Vote in a referendum, or change a vote.

    Example: openledger gov vote 3 aye 100OPEN --conviction 1
    """
    from node.cli.arguments import amount_of
    from node.client import NodeClient
    from node.standing import standing
    from pallets.voting.pallet import Voting
    from pallets.voting.types import Vote

    if side not in ("aye", "nay", "abstain"):
        raise ConfigError(f"{side!r} is no side.", remedy="Write aye, nay or abstain.")
    sides = {"aye": 0, "nay": 0, "abstain": 0, side: amount_of(amount, "AMOUNT")}
    call = Voting.vote.Call(poll=referendum, vote=Vote(**sides, conviction=conviction))
    with NodeClient(node) as client:
        inclusion = client.submit(call, choose_key(key, password_file))
        fields = {"included": inclusion.height, **standing(client, referendum)}
    (print_json if as_json else print_fields)(fields)


@app.command()
def delegate(
    track: Annotated[str, typer.Argument(help="The track, e.g. parameters.")],
    to: Annotated[str, typer.Argument(help="Account that votes for you, or the name of a key.")],
    amount: Amount,
    conviction: Conviction = 0,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Let another account vote for you on a track; `tx voting undelegate` ends it.

    Example: openledger gov delegate parameters dev:bob 100OPEN --conviction 2
    """
    from node.cli.arguments import amount_of
    from node.client import NodeClient
    from pallets.voting.pallet import Voting

    delegate_account = named_account(to)
    call = Voting.delegate.Call(
        track=_track(track),
        to=delegate_account,
        balance=amount_of(amount, "AMOUNT"),
        conviction=conviction,
    )
    with NodeClient(node) as client:
        inclusion = client.submit(call, choose_key(key, password_file))
    fields = {"included": inclusion.height, "delegate": delegate_account, "track": track}
    (print_json if as_json else print_fields)(fields)


@app.command()
def status(referendum: Number, node: NodeUrl = DEFAULT_NODE_URL, as_json: JsonFlag = False) -> None:
    """Show how a referendum stands: its shares, what they must reach, and when that would be.

    Example: openledger gov status 3
    """
    from node.client import NodeClient
    from node.standing import standing

    with NodeClient(node) as client:
        fields = standing(client, referendum)
    (print_json if as_json else print_fields)(fields)


@app.command("list")
def list_referenda(node: NodeUrl = DEFAULT_NODE_URL, as_json: JsonFlag = False) -> None:
    """List the referenda that are not over.

    Example: openledger gov list
    """
    from node.client import NodeClient
    from node.standing import standing

    with NodeClient(node) as client:
        found = client.entries("Governance", "referenda", REFERENDA_MAX)
        rows = [standing(client, number) for number, _ in sorted(found)]
    if as_json:
        print_json(rows)
        return
    columns = ("referendum", "track", "call", "state", "approval", "support")
    print_table(columns, [[row.get(each, "") for each in columns] for row in rows])


@app.command()
def parameters(
    pallet: Annotated[str | None, typer.Argument(help="Only this pallet's.")] = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """List what referenda can change, with the values that the chain has now.

    Example: openledger gov parameters Staking
    """
    from node.client import NodeClient
    from runtime.parameters import Parameter

    with NodeClient(node) as client:
        pallets = client.runtime.pallets
        chosen = list(pallets) if pallet is None else [pallet_name(pallets, pallet)]
        rows = [
            {
                "parameter": str(item.place),
                "value": client.read(name, item.place.item),
                "type": item.codec.describe(),
                "guarded": item.guarded,
                "documentation": item.documentation,
            }
            for name in chosen
            for item in pallets[name].definition.storage.values()
            if isinstance(item, Parameter)
        ]
    if as_json:
        print_json(rows)
    else:
        columns = ("parameter", "value", "documentation")
        print_table(columns, [[row[each] for each in columns] for row in rows])


def _call(client: NodeClient, pallet: str, call: str, words: list[str]) -> RuntimeCall:
    """The call of the command line; raises `ConfigError`."""
    from node.cli.arguments import calls_of, options_of, typed_arguments

    options = options_of(words)
    if pallet == "parameter":
        return _set_parameter(client, call, options)
    name = pallet_name(client.runtime.pallets, pallet)
    definitions = {each.name: each for each in client.runtime.pallets[name].definition.calls}
    definition = definitions.get(call.replace("-", "_"))
    if definition is None:
        remedy = f"Choose one of {', '.join(definitions) or 'none'}."
        raise ConfigError(f"{name} has no call {call!r}.", remedy=remedy)
    calls = calls_of(client.runtime)
    arguments = typed_arguments(definition.arguments.items, options, account_of, calls)
    value: RuntimeCall = definition.arguments.record(**arguments)
    return value


def _set_parameter(client: NodeClient, name: str, options: dict[str, str]) -> RuntimeCall:
    """The call that gives a parameter, `Pallet.name`, the value of --value."""
    from node.cli.arguments import typed_arguments
    from pallets.system.pallet import System
    from runtime.parameters import Parameter

    pallet, _, item_name = name.partition(".")
    own_name = pallet_name(client.runtime.pallets, pallet)
    item = client.runtime.pallets[own_name].definition.storage.get(item_name)
    if not isinstance(item, Parameter):
        message = f"There is no parameter {name!r}."
        raise ConfigError(message, remedy="Take one of `openledger gov parameters`.")
    given = typed_arguments({"value": item.codec}, options, account_of)["value"]
    change = System.set_guarded_parameter if item.guarded else System.set_parameter
    return change.Call(pallet=own_name, name=item_name, value=item.codec.encode(given))


def _proposed(client: NodeClient, number: int) -> tuple[RuntimeCall, str | None]:
    """The call of a referendum, and on whose behalf it is made."""
    asked = client.read("Governance", "referenda", number)
    if asked is None:
        asked = client.read("Governance", "outcomes", number)
    held = None if asked is None else client.read("Preimage", "calls", asked.call_hash)
    if held is None:
        message = f"The call of referendum {number} is not there any more."
        raise ConfigError(message, remedy="Take one of `openledger gov list`.")
    codec = client.runtime.call_codec
    return codec.restore(codec.to_plain(held)), _origin(asked.track)


def _track(name: str) -> TrackName:
    from runtime.wire.votes import TrackName

    known = {each.name.lower(): each for each in TrackName}
    if name.lower() not in known:
        message = f"There is no track {name!r}."
        raise ConfigError(message, remedy=f"Choose one of {', '.join(known)}.")
    return known[name.lower()]


def _origin(track: TrackName) -> str | None:
    from pallets.governance.tracks import ORIGINS

    return ORIGINS[track]


def _field(events: Any, name: str, field: str) -> Any:
    for event in events:
        if f"{event.pallet}.{event.name}" == name:
            return event.fields[field]
    message = f"The extrinsic left no event {name}."
    raise ConfigError(message, remedy="Ask a node of this spec version.")


def _print_simulation(simulation: Simulation) -> None:
    print_fields(
        {
            "on the state of": f"block {simulation.height}",
            "would": f"fail: {simulation.error}" if simulation.error else "succeed",
            "issuance": f"{simulation.issuance_before:,} -> {simulation.issuance_after:,}",
        }
        | ({"because": simulation.message} if simulation.message else {})
    )
    for title, parameters_only in (("parameter", True), ("storage", False)):
        rows = [_row(each) for each in simulation.storage if each.is_parameter is parameters_only]
        if rows:
            print_table((title, "key", "before", "after"), rows)
    for event in simulation.events:
        print_fields({f"{event.pallet}.{event.name}": event.fields})


def _row(difference: Difference) -> tuple[Any, ...]:
    key = "" if difference.key is None else difference.key
    return difference.item, key, difference.before, difference.after
