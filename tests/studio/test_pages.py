"""Pages in NiceGUI's own harness, on a real development chain: no browser, every handler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import pytest
from nicegui import ui
from nicegui.testing import User, user_simulation

from studio.app import build
from studio.settings import Settings
from tests.node.conftest import RunningNode

READY_S = 60
RETRIES = 300
"""Of a tenth of a second."""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A development chain for the pages of this module."""
    running = RunningNode(tmp_path_factory.mktemp("studio-node") / "node")
    yield running
    running.kill()


@asynccontextmanager
async def opened(node: RunningNode, tmp_path) -> AsyncIterator[User]:
    """Studio, following the chain."""
    settings = Settings(node=node.url, data=tmp_path / "data", keys=tmp_path / "keys")
    async with user_simulation() as user:
        studio = build(settings)
        studio.start()
        async with asyncio.timeout(READY_S):
            while not studio.chain.height:  # noqa: ASYNC110 # it tells nobody
                await asyncio.sleep(0.05)
        yield user
        await studio.close()


def shown(user: User) -> str:
    """All that is on the page, as HTML."""
    with user:
        return "".join(
            each.content
            for each in ui.context.client.elements.values()
            if isinstance(each, ui.html)
        )


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a page says something; a page goes on building itself after it was opened."""
    async with asyncio.timeout(READY_S):
        while not condition():  # noqa: ASYNC110 # a page tells nobody
            await asyncio.sleep(0.02)
    assert condition(), what


def says(user: User, text: str) -> bool:
    """Whether the page shows a text."""
    return text in shown(user)


def visit(node, tmp_path, pages: Mapping[str, str]) -> None:
    """Each address shows its text, and a failure only where one is expected."""

    async def go():
        async with opened(node, tmp_path) as user:
            for address, text in pages.items():
                await user.open(address)
                await until(partial(says, user, text), f"{address}: {text}")

    asyncio.run(go())


def test_the_explorer_shows_the_chain(node, tmp_path):
    """Blocks, accounts and pallets are there, with names of development accounts."""
    visit(
        node,
        tmp_path,
        {
            "/blocks": "validator",
            "/blocks/0": "Id",
            "/accounts": "OPEN",
            "/pallets": "Balances",
            "/pallets/Balances/accounts": "Its entries",
            "/pallets/Balances/issuance": "Its value",
        },
    )


def test_every_page_of_an_empty_chain_teaches(node, tmp_path):
    """Where there is nothing yet, the page says what to do."""
    visit(
        node,
        tmp_path,
        {
            "/": "Nothing has happened yet.",
            "/datanets": "There is no Datanet yet.",
            "/models": "There is no model yet.",
            "/models/new": "There is no Datanet to train on yet.",
            "/models/compare": "No finished run yet.",
            "/chat": "There is no model that you may ask yet.",
            "/attribution": "No epoch was attributed yet.",
            "/earnings": "Nothing was earned yet.",
            "/wallet": "Accounts",
            "/validators": "Nothing out of the ordinary.",
            "/disputes": "Nothing was disputed yet.",
            "/governance": "Nothing is asked at present.",
            "/governance/parameters": "The least bond of a validator",
        },
    )


def test_what_is_not_there_is_a_sentence_with_a_remedy(node, tmp_path):
    """A wrong address of an object is told as an error that says where to look."""
    visit(
        node,
        tmp_path,
        {
            "/datanets/999": "The Datanets page has all of them.",
            "/datanets/0/submissions/0": "It may have expired",
            "/datanets/0/versions/1": "Datanet 0 has no version 1.",
            "/reports/0": "The Disputes page has all of them.",
            "/jobs/999": "The ModelFactory page has all of them.",
            "/blocks/99999999": "notice bad",
            "/accounts/nobody": "An account is 64 hexadecimal digits.",
            "/pallets/Nothing": "The Pallets page has all of them.",
            "/models/nothing": "A model is 64 hexadecimal digits.",
            f"/extrinsics/{'0' * 64}": "It may wait for a block",
        },
    )


def test_search_finds_heights_names_and_calls(node, tmp_path):
    """One field for everything."""
    visit(
        node,
        tmp_path,
        {
            "/search?q=1": "/blocks/1",
            "/search?q=alice": "by its name on this machine",
            "/search?q=transfer": "transfer_keep_alive",
            "/search?q=nothing-of-this-name": "is called",
        },
    )


def test_forms_come_from_the_metadata(node, tmp_path):
    """The form of a call has a field for each argument, though no page knows the pallet."""

    async def go():
        async with opened(node, tmp_path) as user:
            await user.open("/pallets/Balances?call=transfer")
            await user.should_see("Receiver", retries=RETRIES)
            await user.should_see("Amount")
            await user.should_see("Preview and sign")

    asyncio.run(go())


def test_a_parameter_is_changed_in_a_field_of_its_type(node, tmp_path):
    """A proposal begins with the value there is, in words: per cent, one field a part."""

    async def go():
        async with opened(node, tmp_path) as user:
            await user.open("/governance/new?parameter=Fees.shares")
            await user.should_see("Burned", retries=RETRIES)
            fields = {str(each.value) for each in user.find(ui.input).elements}
            assert {"20", "80"} <= fields
            assert says(user, "What of the fees goes to the proposer")

    asyncio.run(go())


def test_every_list_is_to_be_had_as_json(node, tmp_path):
    """The index's lists and every map of the storage, decoded; what is none is told."""

    async def go():
        async with opened(node, tmp_path) as user:
            client = user.http_client
            blocks = (await client.get("/export/blocks.json")).json()
            assert blocks[-1]["height"] == 0
            accounts = (await client.get("/export/Balances/accounts.json")).json()
            assert {"key", "value"} == accounts[0].keys()
            assert accounts[0]["value"]["free"] >= 0
            missing = await client.get("/export/Balances/nothing.json")
            assert missing.status_code == 404
            assert missing.json()["remedy"]

    asyncio.run(go())


def test_a_signature_is_previewed_and_then_sent(node, tmp_path):
    """The dialog shows the dry run and the command; signing brings the transfer into a block."""
    command = "openledger tx Balances transfer --receiver alice --amount 2.5OPEN --key dev:user"

    async def go():
        async with opened(node, tmp_path) as user:
            await user.open("/wallet")
            await user.should_see("Receiver", retries=RETRIES)
            user.find("Receiver").type("alice")
            user.find("Amount").type("2.5OPEN")
            user.find("Preview and sign").click()
            await until(lambda: "It would succeed." in shown(user), "the dry run")
            assert command in shown(user)
            await user.should_see("Sign and send", retries=RETRIES)
            user.find("Sign and send").click()
            await user.should_see("In block", retries=RETRIES)

    asyncio.run(go())
