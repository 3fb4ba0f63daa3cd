"""`python -m stanine.pages`."""

from stanine.pages.main import main

if __name__ == "__main__":
    raise SystemExit(main())
