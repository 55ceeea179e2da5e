"""The remainder of a division rounded towards 0, exact for all floats.

The significand of x, shifted as far as 64 bits allow, is reduced by that of y until their exponents agree: long
division in base 2¹¹. float32 goes through float64, in which the remainder of two of its numbers is one of them.
"""

from __future__ import annotations

from chainrule.engines.native.math.real import Real
from chainrule.engines.native.text import Value, element_type, width_of

_NAME = "chainrule_fmod"

_DEFINITION = f"""define internal double @{_NAME}(double %x, double %y) nounwind noinline {{
entry:
  %xbits = bitcast double %x to i64
  %ybits = bitcast double %y to i64
  %sign = and i64 %xbits, {-(2**63)}
  %xsize = and i64 %xbits, {2**63 - 1}
  %ysize = and i64 %ybits, {2**63 - 1}
  %endless = icmp uge i64 %xsize, {0x7FF << 52}
  %lost = icmp ugt i64 %ysize, {0x7FF << 52}
  %zero = icmp eq i64 %ysize, 0
  %bad1 = or i1 %endless, %lost
  %bad = or i1 %bad1, %zero
  br i1 %bad, label %undefined, label %defined
undefined:
  ret double 0x7FF8000000000000
defined:
  %small = icmp ult i64 %xsize, %ysize
  br i1 %small, label %unchanged, label %division
unchanged:
  ret double %x
division:
  %xfield = lshr i64 %xsize, 52
  %xdigits = and i64 %xsize, {2**52 - 1}
  %xlow = icmp eq i64 %xfield, 0
  %xnormal = or i64 %xdigits, {2**52}
  %xm = select i1 %xlow, i64 %xdigits, i64 %xnormal
  %xe = select i1 %xlow, i64 1, i64 %xfield
  %yfield = lshr i64 %ysize, 52
  %ydigits = and i64 %ysize, {2**52 - 1}
  %ylow = icmp eq i64 %yfield, 0
  %ynormal = or i64 %ydigits, {2**52}
  %ym = select i1 %ylow, i64 %ydigits, i64 %ynormal
  %ye = select i1 %ylow, i64 1, i64 %yfield
  %first = urem i64 %xm, %ym
  %apart = sub i64 %xe, %ye
  br label %test
test:
  %m = phi i64 [ %first, %division ], [ %reduced, %step ]
  %left = phi i64 [ %apart, %division ], [ %fewer, %step ]
  %done = icmp eq i64 %left, 0
  br i1 %done, label %result, label %step
step:
  %many = icmp ugt i64 %left, 11
  %by = select i1 %many, i64 11, i64 %left
  %shifted = shl i64 %m, %by
  %reduced = urem i64 %shifted, %ym
  %fewer = sub i64 %left, %by
  br label %test
result:
  %whole = uitofp i64 %m to double
  %isnormal = icmp ugt i64 %ye, 52
  %normalfield = sub i64 %ye, 52
  %normalbits = shl i64 %normalfield, 52
  %lowshift = sub i64 %ye, 1
  %lowshiftin = and i64 %lowshift, 63
  %lowbits = shl i64 1, %lowshiftin
  %scalebits = select i1 %isnormal, i64 %normalbits, i64 %lowbits
  %scale = bitcast i64 %scalebits to double
  %size = fmul double %whole, %scale
  %sizebits = bitcast double %size to i64
  %signed = or i64 %sizebits, %sign
  %rest = bitcast i64 %signed to double
  ret double %rest
}}
"""


def fmod(x: Real, y: Real) -> Real:
    """X − y trunc(x / y), with the sign of x; NaN if x is infinite or y is 0."""
    if element_type(x.value.type) == "float":
        return fmod(x.to("double"), y.to("double")).to("float")
    function, width = x.function, width_of(x.value.type)
    function.module.declare(_NAME, _DEFINITION)
    if not width:
        return Real(function, function.let("double", f"call double @{_NAME}({x.value}, {y.value})"))
    result = Value("poison", x.value.type)
    for lane in range(width):
        left, right = (function.let("double", f"extractelement {each.value}, i64 {lane}") for each in (x, y))
        found = function.let("double", f"call double @{_NAME}({left}, {right})")
        result = function.let(result.type, f"insertelement {result}, {found}, i64 {lane}")
    return Real(function, result)
