"""`python -m node.cli` is the `openledger` command."""

from node.cli.start import start

start()
