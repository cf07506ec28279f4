"""Where the base model lies that is part of this repository."""

from __future__ import annotations

from pathlib import Path

EMBEDDED_MODEL = Path(__file__).parent / "models" / "openledger-nano"
