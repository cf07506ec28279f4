"""The simulator of consensus: whole networks of real engines, each run drawn from one seed.

    seed -> Scenario -> World (heap of events) -> Nodes: the real `Simplex`, log and signer rules
                          |                         `- faulty ones in `byzantine.py`
                          `- Watch: named invariants; a `Violation` says which and the seed

Only signatures, blocks, disks and the network are made up.  Nothing here reads a clock or draws
from anything but the seed's generator, so a run is repeated byte for byte:
`python -m consensus.sim --seed N --trace`.  Times are integers in milliseconds.

Prior art: FoundationDB's simulator, TigerBeetle's VOPR, Twins (Bano et al. 2020) for the actors.
"""
