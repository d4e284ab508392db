"""Training on several processes: launch, collectives, sharding, seeds, signals, and errors for lack of memory."""
