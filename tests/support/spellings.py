"""Texts that are other spellings of levels of a category, and texts that only resemble them."""

from __future__ import annotations

from chainrule.tables import Category

LEVELS = ("1", "2.5", "-3", "0", "1000000", "0.1", "red", "007", "1.0", "-0.5", "1e20", "12345678901234567890")
"""Levels of which some are the same number, and some are too large to be compared as numbers."""

SPELLED = Category("c", LEVELS, other=True, missing=True)

_NUMBERS = ("1", "2.5", "-3", "0", "1000000", "0.1", "7", "-0.5")
_FORMS = (
    *("{:g}", "{:f}", "{:e}", "{:E}", "{:.3f}", "{:.1f}", "{:.0e}"),
    *("{:+}", "{:+.2f}", "{:08.2f}", "{:.20f}", "{:+012}"),
)

_AROUND = (("\u00a0", ""), ("", "\u202f"), ("\u202f", "\u00a0"), (" ", "\u00a0"), ("\u00a0", "\u00a0"))

TEXTS = (
    *LEVELS,
    *(form.format(float(number)) for number in _NUMBERS for form in _FORMS),
    *(".1", "+.1", "-.5", "-.50", "1.", "+001.", "10e-1", "1E+00", "0.25e1", "-0", "-0.0", "000", "1000000."),
    *("\t1\r", " 2.50\n", "redder", "Red", "", "1e999", "9" * 400, "100000000000000000000", "1.0e+20"),
    *("1_0", "0x1", "1e", "e1", ".", "+", "1.0.0", "1,0", "inf", "nan", "1e300", "\uff11", "1 0", "--3"),
    *("12345678901234567891", "-"),
    *(f"{before}{text}{after}" for text in ("red", "1", "-0.5") for before, after in _AROUND),
    *(f"{before}{before}{text}{after}" for text in ("", "NA", "-") for before, after in _AROUND),
)
