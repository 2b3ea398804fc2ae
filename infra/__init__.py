"""The composition of everything: settings, processes, command line, embedded services, telemetry.

Only here (and in tests and benchmarks) the clock, the environment and randomness are read.
"""

import os

# Questions run in threads of their own; a sum that spread over more of them would wait for
# processors that others have: decomposing 500 x 50 returns took 16 ms instead of 0.2 on a busy
# machine. It has to be told before numpy is imported, and makes sums the same on any machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
