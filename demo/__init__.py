"""The product at work on real parts: PostgreSQL, Meltano, the sandbox.

Nothing here ships with the package. `make demo` runs `python -m demo`.
"""
