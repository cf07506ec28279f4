"""Every error of consensus.

OpenLedgerError
 |- InvalidVote                      a vote that does not verify
 |- InvalidCertificate               a certificate or commit that does not verify
 |- InvalidBlsSecret                 a BLS secret key or its seed that is none
 |- InvalidEvidence                  evidence that shows nothing
 |- InvalidLightBlock                a light block that does not follow from what is trusted
 |- TrustExpired                     what a light client trusts is too old
 |- TooManySteps                     a light client's bound on its work is reached
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


class InvalidLightBlock(OpenLedgerError):
    """A light block that does not follow from what is trusted: the node that sends it is faulty."""


class TrustExpired(OpenLedgerError):
    """The trusted header is older than the trusting period: who signed it may be free to lie."""


class TooManySteps(OpenLedgerError):
    """A light client asked for as many light blocks as it may, and is not there."""


class LogError(OpenLedgerError):
    """The write-ahead log is damaged before its end: what was signed is not known for sure."""


class SignerStateError(OpenLedgerError):
    """The record of what this validator signed is missing, does not fit the chain, or forbids."""
