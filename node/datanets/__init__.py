"""What contributors, curators and owners of Datanets do with a node: import, review, withdraw."""
