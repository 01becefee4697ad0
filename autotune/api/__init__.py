"""The Python API: what `import autotune` offers, each name imported when it is first used."""

import logging
import sys
import warnings

if "ipykernel" in sys.modules:  # libraries that are imported next ask for ipywidgets; we need none
    logging.getLogger("ray.widgets").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="IProgress not found")
