"""`python -m callboard` is the command `callboard`."""

import sys

from callboard.cli import main

sys.exit(main())
