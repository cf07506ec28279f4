"""The demo: the whole life of paid answers on an embedded chain, from rows to verified payouts.

Real processes (node, server, worker) and real keys; this package plays the people: a Datanet's
owner, its contributors, a model builder and a user.
"""
