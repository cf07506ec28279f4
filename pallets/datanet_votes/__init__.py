"""Votes of the contributors of a Datanet on its terms."""
