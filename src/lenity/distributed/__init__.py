"""Several processes: launch, collectives, sharding, random states, running out of memory."""
