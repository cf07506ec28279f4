"""Datanets: schema, terms, quotas that grow with what rows earn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genesis.scenes import ALICE, CURATOR, commit, create, set_sponsor_budget
from pallets.datanets.pallet import SPONSOR
from runtime.hashing import hash_text
from runtime.types import OPEN
from runtime.wire.datanets import ALL_PURPOSES, DIALOGUE, Column
from tests.pallets.chain import Chain, spec


def test_datanets_are_numbered_from_0_and_keep_what_was_set():
    """The record has the owner's choices, a drawn seed, and a number of its own."""
    chain = Chain()
    chain.ok(CURATOR, create())
    chain.ok(CURATOR, set_sponsor_budget(500))
    chain.ok(ALICE, create())
    with chain.reading() as pallets:
        first, second = (pallets.datanets.datanet(number) for number in (0, 1))
        assert (first.owner, first.schema) == (CURATOR.account, DIALOGUE)
        assert pallets.datanets.terms_of(0).licence == "CC-BY-4.0"
        assert first.minhash_seed != second.minhash_seed < 2**32
        assert pallets.datanets.next_datanet.get() == 2
    assert chain.held(CURATOR.account, SPONSOR) == 500


@pytest.mark.parametrize(
    "schema",
    [
        replace(DIALOGUE, media_type="image/png"),
        replace(DIALOGUE, columns=()),
        replace(DIALOGUE, columns=(Column("text", 2, 1),)),
        replace(DIALOGUE, columns=(Column("a", 1, 2), Column("a", 1, 2))),
        replace(DIALOGUE, languages=("EN",)),
        replace(DIALOGUE, languages=("en", "en")),
    ],
)
def test_a_schema_describes_rows(schema):
    """Media type, columns, bounds, languages."""
    Chain().fails(CURATOR, create(schema), "Datanets.InvalidSchema")


@pytest.mark.parametrize("purposes", [(), ALL_PURPOSES[::-1], ALL_PURPOSES[:1] * 2])
def test_terms_permit_something_in_order(purposes):
    """No purpose, or purposes out of order, are no terms."""
    Chain().fails(CURATOR, create(purposes=purposes), "Datanets.InvalidTerms")


def test_contributors_permit_what_the_terms_ask_in_a_language_of_the_schema():
    """A narrower licence and another language are refused."""
    chain = Chain()
    chain.ok(CURATOR, create(replace(DIALOGUE, languages=("en",))))
    chain.fails(ALICE, commit(ALICE, purposes=ALL_PURPOSES[:1]), "Datanets.LicenceTooNarrow")
    chain.fails(ALICE, commit(ALICE, language="de"), "Datanets.WrongLanguage")
    chain.ok(ALICE, commit(ALICE))


def test_quotas_are_a_days_and_grow_with_earnings():
    """Bytes and files a day; one more for each amount that the account's rows earned."""
    chain = Chain(spec(quota_bytes=1_000, quota_files=2, day_blocks=100))
    chain.ok(CURATOR, create())
    salts = [hash_text(bytes([n])) for n in range(4)]
    chain.ok(ALICE, commit(ALICE, salt=salts[0]))
    chain.fails(ALICE, commit(ALICE, 6, salt=salts[1]), "Datanets.QuotaExceeded")
    chain.ok(ALICE, commit(ALICE, salt=salts[1]))
    chain.fails(ALICE, commit(ALICE, 1, size_bytes=0, salt=salts[2]), "Datanets.QuotaExceeded")
    chain.ok(ALICE, commit(ALICE, salt=salts[2]), height=100)
    with chain.reading() as pallets:
        assert pallets.datanets.earned_by(0, ALICE.account) == 0
        assert pallets.datanets.growth_amount.get() == 100 * OPEN


def test_bonds_cover_the_bytes_that_are_kept():
    """Spam pays for its storage: the record, and every byte of the blob."""
    chain = Chain(spec(byte_bond=7))
    chain.ok(CURATOR, create())
    least = 5 * 10 + (512 + 500) * 7
    chain.fails(ALICE, commit(ALICE, bond=least - 1), "Submissions.BondTooLow")
    chain.ok(ALICE, commit(ALICE, bond=least))
