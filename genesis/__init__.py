"""Genesis: what a new chain starts with, its presets and the embedded base model."""
