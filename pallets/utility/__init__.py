"""Several calls in one extrinsic."""
