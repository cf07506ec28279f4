"""The peer-to-peer network: who is connected, encrypted, limited; not what the messages mean."""
