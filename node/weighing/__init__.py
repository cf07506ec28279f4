"""`openledger pallet bench`: measures the calls of a pallet and writes their weights."""
