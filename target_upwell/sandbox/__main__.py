"""`python -m target_upwell.sandbox` is `upwell-sandbox`."""

from __future__ import annotations

from target_upwell.sandbox.cli import main

if __name__ == "__main__":
    main()
