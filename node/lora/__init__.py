"""A plain multi-adapter server: an OpenAI-compatible API over folders, without any chain."""
