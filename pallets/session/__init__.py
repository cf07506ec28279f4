"""Who decides the next height: keys, sessions, sets, beacons."""
