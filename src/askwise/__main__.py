"""`python -m askwise` is the command line."""

from askwise.cli import main

if __name__ == "__main__":
    main()
