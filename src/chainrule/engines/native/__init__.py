"""Generated LLVM code."""

from chainrule.engines.native.engine import NativeEngine
from chainrule.engines.native.unrolled import NotUnrollable

__all__ = ["NativeEngine", "NotUnrollable"]
