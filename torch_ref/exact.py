"""The settings under which torch computes what it says: no TF32, the same bits every time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@contextmanager
def exact_arithmetic(device: torch.device | str) -> Iterator[dict[str, Any]]:
    """Turn TF32 off and deterministic algorithms on; restore what was there before.

    On the CPU nothing needs to be set. On CUDA both TF32 switches are turned off and the matmul
    precision is "highest" (TF32 keeps 10 bits of a float32's 23), and deterministic algorithms are
    on, for which cuBLAS wants CUBLAS_WORKSPACE_CONFIG before its first call (CUDA documentation,
    cuBLAS, "Results reproducibility").

    Yields
    ------
    dict
        What was set, for the report; empty on the CPU.
    """
    if torch.device(device).type != "cuda":
        yield {}
        return
    precision = torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn.allow_tf32
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get(WORKSPACE)
    try:
        os.environ[WORKSPACE] = ":4096:8"
        torch.set_float32_matmul_precision("highest")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.use_deterministic_algorithms(True)
        yield {
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "cuda.matmul.allow_tf32": torch.backends.cuda.matmul.allow_tf32,
            "cudnn.allow_tf32": torch.backends.cudnn.allow_tf32,
            "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
            WORKSPACE: os.environ[WORKSPACE],
        }
    finally:
        torch.set_float32_matmul_precision(precision)  # sets cuda.matmul.allow_tf32 to match
        torch.backends.cudnn.allow_tf32 = cudnn
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        if workspace is None:
            del os.environ[WORKSPACE]
        else:
            os.environ[WORKSPACE] = workspace
