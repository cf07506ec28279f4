"""From which height on a newer spec version runs."""
