"""Generated LLVM code."""

from chainrule.engines.native.engine import NativeEngine
from chainrule.engines.native.unrolled import NotUnrollableError

__all__ = ["NativeEngine", "NotUnrollableError"]
