"""An HTTP/1.1 server on trio and h11: limits on everything, and no framework around it."""
