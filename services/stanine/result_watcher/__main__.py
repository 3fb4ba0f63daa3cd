"""`python -m stanine.result_watcher`."""

import sys

from stanine.result_watcher.main import main

sys.exit(main())
