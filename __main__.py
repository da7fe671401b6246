"""`python -m zynqfire`, which is how torchrun starts the command."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
