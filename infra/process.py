"""`python -m infra.process NAME`: one process of a PMS, as `pms process NAME` runs it.

The whole command line takes longer to load than what the process itself needs, and whoever waits
for a process that comes back waits for both.
"""

from __future__ import annotations

import sys

from infra.errors import OperatorError
from infra.processes import ProcessName, run_process
from infra.settings import load_settings
from infra.stopping import ending_in_order


def main() -> None:
    """Run the process; what an operator can mend ends in one sentence and status 1."""
    try:
        with ending_in_order():
            run_process(ProcessName(sys.argv[1]), load_settings())
    except OperatorError as error:
        sys.exit(f"pms: {error}")


if __name__ == "__main__":
    main()
