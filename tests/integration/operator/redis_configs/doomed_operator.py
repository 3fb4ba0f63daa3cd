"""Run the operator so that it dies at a given step.

`python -m tests.integration.operator.redis_configs.doomed_operator STEP ARGUMENT…`. Steps are the functions called in
Redis (`commit`: a change of the settings) and `patch_status`.
"""

import sys
from typing import Any

from tests.integration.failpoints import Doom, Step

from stanine.broker.connection.functions import Library
from stanine_operator.kubernetes.cluster import Cluster
from stanine_operator.main import main


def arm(doom: Doom) -> None:
    library: Any = Library
    library.call = doom.wrap(lambda _library, _client, function, *_more: function, library.call)
    cluster: Any = Cluster
    cluster.patch_status = doom.wrap_async(lambda *_args: "patch_status", cluster.patch_status)


if __name__ == "__main__":
    arm(Doom(Step.read(sys.argv.pop(1))))
    sys.exit(main())
