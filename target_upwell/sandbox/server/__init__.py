"""The HTTP server: endpoints, faults, refusals."""
