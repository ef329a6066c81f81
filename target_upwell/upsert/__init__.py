"""What becomes of a batch: look up, diff, create, update, reject."""
