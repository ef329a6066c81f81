"""A local stand-in for the customers part of the Upwell API."""
