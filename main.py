"""`python main.py [RUN_OR_MODEL]` opens the studio."""

import sys

from introvac_studio.app import main

if __name__ == "__main__":
    sys.exit(main())
