"""Units of numbers: those that measure the same, by their factors, and marks of footnotes, which are no units."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

_LETTER = re.compile(r"[^\W\d_]|[%‰°$€£¥₹₽₩₺₫₪₴฿¢″′\"]")


def _spelled(**sizes: float) -> dict[str, float]:
    return {name: size for names, size in sizes.items() for name in names.split("_")}


_FAMILIES: tuple[dict[str, float], ...] = (
    _spelled(
        mg=1e-6, g_gr_gram_grams=1e-3, kg_kgs_kilo_kilos=1.0, t_tonne_tonnes=1e3, oz=0.028349523125,
        lb_lbs_pound_pounds=0.45359237,
    ),
    _spelled(
        mm=1e-3, cm=1e-2, dm=1e-1, m_meter_meters_metre_metres=1.0, km=1e3, in_inch_inches=0.0254, ft_feet_foot=0.3048,
        yd_yard_yards=0.9144, mi_mile_miles=1609.344,
    ),
    _spelled(
        ms=1e-3, s_sec_secs_second_seconds=1.0, min_mins_minute_minutes=60.0, h_hr_hrs_hour_hours=3_600.0,
        d_day_days=86_400.0, week_weeks_wk_wks=604_800.0,
    ),
    _spelled(month_months_mo_mos=1.0, year_years_yr_yrs=12.0),
    _spelled(ml=1e-3, cl=1e-2, dl=1e-1, l_liter_liters_litre_litres=1.0),
    _spelled(w=1.0, kw=1e3, mw=1e6, gw=1e9),
    _spelled(wh=1.0, kwh=1e3, mwh=1e6, gwh=1e9),
    _spelled(
        k_tsd_thousand_thousands=1e3, m_mn_mio_million_millions=1e6, b_bn_mrd_billion_billions=1e9,
        tn_trillion_trillions=1e12, lakh_lakhs_lac_lacs=1e5, cr_crore_crores=1e7,
    ),
    {"$": 1.0, "us$": 1.0, "usd": 1.0},
    {"€": 1.0, "eur": 1.0},
    {"£": 1.0, "gbp": 1.0},
    {"¥": 1.0, "cny": 1.0, "rmb": 1.0},
)  # fmt: skip
"""The sizes of units, in lower case, that measure one quantity."""

MAGNITUDES = _FAMILIES[7]
"""Words for thousands and millions, which a number may lack."""


def is_footnote(unit: str) -> bool:
    """Whether the text beside a number is no unit but a mark, such as asterisks.

    >>> is_footnote("***"), is_footnote("kg"), is_footnote("%"), is_footnote("×10⁴")
    (True, False, False, False)
    """
    return _LETTER.search(unit) is None and not is_power(unit)


def is_power(unit: str) -> bool:
    """Whether the text beside a number is a power of ten, as the ×10⁴ of 1.5×10⁴.

    >>> is_power("×10⁴"), is_power("*10"), is_power("×10³ cells"), is_power("***")
    (True, True, False, False)
    """
    return _POWER.match(unit) is not None and not any(map(str.isalpha, unit))


_POWER = re.compile(r"[×·*]\s*10")


_IN_BRACKETS = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}|<[^<>]*>")
_PARTS = re.compile(r"[/·*×.^ ]|(?<=[a-z])[⁻-]?[0-9¹²³]+")
_ALONE = frozenset((
    "%", "‰", "°", "°c", "°f", "degc", "degf", "deg", "degree", "degrees", "rad", "k", "pa", "hpa", "kpa", "mpa",
    "mbar", "bar", "atm", "psi", "mmhg", "v", "mv", "kv", "a", "ma", "ah", "mah", "ohm", "ω", "hz", "khz", "mhz",
    "ghz", "n", "kn", "nm", "j", "kj", "mj", "cal", "kcal", "bpm", "rpm", "ppm", "ppb", "ppt", "mol", "mmol", "μmol",
    "umol", "µg", "μg", "ug", "ng", "µm", "μm", "um", "nm", "µs", "us", "ns", "ha", "acre", "acres", "sqft", "gal",
    "gallon", "gallons", "mph", "kmh", "kph", "knots", "kt", "db", "dba", "lux", "lx", "cd", "usd", "eur", "gbp",
    "chf", "cny", "jpy", "€", "$", "£", "¥", "count", "counts", "pct", "percent", "per", "b", "kb", "mb", "gb", "tb",
    "byte", "bytes", "bit", "bits", "iu", "pcu", "psu", "ntu",
))  # fmt: skip
"""Units that are converted to no other, in lower case."""


def is_unit(text: str) -> bool:
    """Whether a text is the unit of a quantity: one in brackets, or made of known ones.

    >>> [is_unit(text) for text in ("kg/m2", "[-]", "W·m-2", "mg", "name", "")]
    [True, True, True, True, False, False]
    """
    parts = [part for part in _PARTS.split(folded(text)) if part and part != "1"]
    known = (part in _ALONE or any(part in sizes for sizes in _FAMILIES) for part in parts)
    return _IN_BRACKETS.fullmatch(text) is not None or (bool(parts) and all(known))


def folded(unit: str) -> str:
    """Return a unit as the tables of this module spell it."""
    return unit.casefold().rstrip(".")


def are_magnitudes(units: Collection[str]) -> bool:
    """Whether all of `units` are words for thousands and millions; `m` alone is one for meters or minutes.

    >>> are_magnitudes(["k", "M"]), are_magnitudes(["m"]), are_magnitudes(["kg"])
    (True, False, False)
    """
    return {*units} not in _OTHERWISE and all(folded(unit) in MAGNITUDES for unit in units)


_OTHERWISE = ({"m"}, {"b"}, {"B"}, {"cr"}, {"Cr"}, {"CR"})
"""Words that alone mean something else: meters or minutes, bytes, a mark of accountants."""

AROUND = "…"
"""The place of the number in a unit on both of its sides: in €1.2M it is `€…M`."""


def both_sides(unit: str) -> tuple[str, str] | None:
    """Divide a unit on both sides of a number into a currency and the rest; None for others.

    >>> both_sides("€…M"), both_sides("kg")
    (('€', 'M'), None)
    """
    before, _, behind = unit.partition(AROUND)
    return (before, behind) if before and behind else None


def of_one_currency(units: Collection[str]) -> Mapping[str, float] | None:
    """Return the size of each of `units` if they are amounts of one currency, some of them in thousands or millions.

    >>> of_one_currency(["€…M", "€…K", "€"]), of_one_currency(["$…M", "€"])
    ({'€…M': 1000000.0, '€…K': 1000.0, '€': 1.0}, None)
    """
    currencies, sizes = set(), {}
    for unit in units:
        before, behind = both_sides(unit) or (("", unit) if folded(unit) in MAGNITUDES else (unit, ""))
        if behind and folded(behind) not in MAGNITUDES:
            return None
        currencies |= {before} - {""}
        sizes[unit] = MAGNITUDES[folded(behind)] if behind else 1.0
    if not any(map(both_sides, units)) or (relative_sizes(currencies, min(currencies)) is None and len(currencies) > 1):
        return None
    return sizes


def relative_sizes(units: Collection[str], main: str) -> Mapping[str, float] | None:
    """Return the size of each of `units` in units of `main`; None if they do not measure one quantity.

    >>> relative_sizes(["g", "Kg"], "Kg"), relative_sizes(["kg", "m"], "kg")
    ({'g': 0.001, 'Kg': 1.0}, None)
    """
    for sizes in _FAMILIES:
        if all(folded(unit) in sizes for unit in units):
            return {unit: sizes[folded(unit)] / sizes[folded(main)] for unit in units}
    return None
