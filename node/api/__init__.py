"""The OpenAI-compatible API: answers are paid from an escrow, receipted, and settled on chain."""
