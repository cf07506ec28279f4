"""Training of LoRA adapters, step by step under a transcript: the worker chooses nothing."""
