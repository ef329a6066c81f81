"""The Upwell API over HTTP."""
