"""What a run takes on given accelerators, from the architecture alone: memory, time, cost. Nothing is loaded."""
