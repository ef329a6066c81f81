"""Singer target for the customers of an Upwell account."""
