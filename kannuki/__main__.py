"""`python -m kannuki` is the command `kannuki`."""

from kannuki.cli import main

if __name__ == "__main__":
    main()
