"""What the parts of the benchmark use: servers, loads, comparisons."""

from bench.compare import Comparison, Found, compare
from bench.load import Hold, Load, LoadResult, holding, run_load
from bench.running import RunningTarget, Target, Unavailable, running
from bench.targets import FLOOR, edgelake_target, floor_target, free_port

__all__ = [
    "FLOOR",
    "Comparison",
    "Found",
    "Hold",
    "Load",
    "LoadResult",
    "RunningTarget",
    "Target",
    "Unavailable",
    "compare",
    "edgelake_target",
    "floor_target",
    "free_port",
    "holding",
    "run_load",
    "running",
]
