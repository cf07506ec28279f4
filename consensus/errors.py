"""Every error of consensus.

OpenLedgerError
 |- InvalidVote                      a vote that does not verify
 |- InvalidCertificate               a certificate or commit that does not verify
 |- InvalidBlsSecret                 a BLS secret key or its seed that is none
 |- InvalidEvidence                  evidence that shows nothing
 |- LogError                         the write-ahead log is damaged where it must not be
 `- SignerStateError                 what this validator signed is unknown, or forbids to sign
"""

from __future__ import annotations

from runtime.errors import OpenLedgerError


class InvalidVote(OpenLedgerError):
    """A vote of nobody we know, with a wrong signature, or against the rules."""


class InvalidCertificate(OpenLedgerError):
    """A certificate without a quorum of valid signatures for what it claims."""


class InvalidBlsSecret(OpenLedgerError):
    """Bytes that are no BLS secret key, or too few to make one of."""


class InvalidEvidence(OpenLedgerError):
    """Evidence that does not verify, or against nobody who can be punished."""


class LogError(OpenLedgerError):
    """The write-ahead log is damaged before its end: what was signed is not known for sure."""


class SignerStateError(OpenLedgerError):
    """The record of what this validator signed is missing, does not fit the chain, or forbids."""
