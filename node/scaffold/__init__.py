"""`openledger pallet new`: the files of a new pallet package, filled in from templates."""
