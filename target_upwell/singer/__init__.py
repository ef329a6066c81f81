"""What the SDK leaves to a target: input, stream maps, signals, BATCH files."""
