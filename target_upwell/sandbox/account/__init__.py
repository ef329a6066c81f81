"""The account: tables, validation, search, and the log of requests."""
