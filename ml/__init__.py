"""Data review, training, attribution and serving: plain functions over files and arrays.

Nothing here knows of a chain, a pallet or a network: work orders and results are the dataclasses of
`runtime/offchain.py`, and `node/workers/` carries them to and fro.
"""

import os

# torch's threads (libgomp) spin while they wait for each other.  Beside other busy processes on two
# cores that made a training step 4 times slower (12 s against 3 s), so here they sleep instead.  It
# is read when torch is loaded, hence this early; who has set it keeps his choice.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
