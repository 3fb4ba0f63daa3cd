"""`python -m stanine.index_watcher`."""

import sys

from stanine.index_watcher.main import main

sys.exit(main())
