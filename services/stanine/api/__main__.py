"""`python -m stanine.api`."""

from stanine.api.main import main

if __name__ == "__main__":
    raise SystemExit(main())
