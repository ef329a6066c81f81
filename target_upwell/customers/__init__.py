"""What a customer is, and how a record becomes a customer input; pure."""
