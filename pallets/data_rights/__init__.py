"""What contributors and owners may do with rows: withdraw, erase, grant."""
