"""Every error of Studio; the tree on top.

OpenLedgerError           a sentence and a remedy (`runtime.errors`)
 `- StudioError
     |- SettingsInvalid   an option that cannot be used
     |- ObjectMissing     the chain has no such block, account, model, ...
     |- FieldInvalid      what was typed into a form is no value of its type
     |- WalletLocked      an action needs a key that is not unlocked here
     |- SimulationFailed  a proposal could not be tried on a fork
     `- ServerRefused     the server of answers did not answer
"""

from __future__ import annotations

from runtime.errors import OpenLedgerError


class StudioError(OpenLedgerError):
    """An error of the web interface."""


class SettingsInvalid(StudioError):
    """An option cannot be used."""


class ObjectMissing(StudioError):
    """The chain has no such object."""


class FieldInvalid(StudioError):
    """A field of a form holds no value of its type."""


class WalletLocked(StudioError):
    """The key is not unlocked in this browser."""


class SimulationFailed(StudioError):
    """A proposal could not be tried on a fork of the state."""


class ServerRefused(StudioError):
    """The server of answers is away, or refused a request."""
