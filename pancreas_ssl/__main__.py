"""`python -m pancreas_ssl` is the `pancreas-ssl` command."""

import sys

from pancreas_ssl.cli import main

if __name__ == "__main__":
    sys.exit(main())
