"""`python -m node.cli` is the `openledger` command."""

from node.cli.main import main

main()
