"""Every error of consensus.

OpenLedgerError
 |- InvalidVote                      a vote that does not verify
 |- InvalidCertificate               a certificate or commit that does not verify
 `- SignerStateError                 what this validator signed is unknown, or forbids to sign
"""

from __future__ import annotations

from runtime.errors import OpenLedgerError


class InvalidVote(OpenLedgerError):
    """A vote of nobody we know, with a wrong signature, or against the rules."""


class InvalidCertificate(OpenLedgerError):
    """A certificate without a quorum of valid signatures for what it claims."""


class SignerStateError(OpenLedgerError):
    """The record of what this validator signed is missing, does not fit the chain, or forbids."""
