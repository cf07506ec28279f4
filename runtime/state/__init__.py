"""The state: flat values in LevelDB under a bucketed binary Merkle tree."""
