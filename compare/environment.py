"""What numbers depend on besides the code."""

import platform
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info


def environment() -> dict[str, Any]:
    """Return the versions and libraries that numbers depend on."""
    import torch  # seconds, which whoever only imports this need not wait

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "blas": [
            {key: info.get(key) for key in ("internal_api", "version", "architecture")}
            for info in threadpool_info()
            if info["user_api"] == "blas"
        ],
    }
