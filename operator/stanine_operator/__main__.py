"""`python -m stanine_operator`."""

import sys

from stanine_operator.main import main

sys.exit(main())
