"""Evidence of broken rules, and what it costs."""
