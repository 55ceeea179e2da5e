"""Style sheet of a derivation in HTML; all selectors are within the class `chainrule`, so that it fits any page.

Colours are mixed from the text colour, so that they suit dark and light pages; on a standalone page each has a contrast
of at least 4.5.
"""

MATH_FONTS = """"STIX Two Math", "Cambria Math", "Latin Modern Math", "TeX Gyre Termes Math", "TeX Gyre Pagella Math",
  "Libertinus Math", "STIX Math", "XITS Math", "DejaVu Math TeX Gyre", "Noto Sans Math\""""
_ROOT_FONTS = """"DejaVu Sans", "Liberation Serif", "Times New Roman", "Noto Serif", Roboto, Arial, serif"""
"""Fonts with a radical sign, at least one on every system, as a fallback without a mathematical font.

Chromium draws a root sign in the first font that it finds, and draws none if that font lacks it.
"""

_TEMPLATE = """
.chainrule { --soft: color-mix(in srgb, currentColor 68%, transparent);
  --line: color-mix(in srgb, currentColor 18%, transparent); --tint: color-mix(in srgb, currentColor 5%, transparent);
  --accent: color-mix(in srgb, #2f7bd0 75%, currentColor); max-width: 60rem;
  container-type: inline-size; line-height: 1.6; text-align: start; overflow-wrap: break-word }
.chainrule h1, .chainrule h2, .chainrule h3 { line-height: 1.3; font-weight: 600; text-wrap: balance }
.chainrule h1 { font-size: 1.7em; margin: 0 0 .7em }
.chainrule h2 { font-size: 1.25em; margin: 2em 0 .6em; padding-top: .7em; border-top: 1px solid var(--line) }
.chainrule h3 { font-size: 1.05em; margin: 1.5em 0 .4em }
.chainrule p { margin: .6em 0 }
.chainrule header p { color: var(--soft) }
.chainrule math, .chainrule msqrt > * { font-family: MATH_FONTS, math }
.chainrule msqrt { font-family: MATH_FONTS,
  ROOT_FONTS, math }
.chainrule math { font-size: 1.06em; font-style: normal }
.chainrule mtext { font-family: inherit }
.chainrule mi.word { font-family: inherit; font-style: italic }
.chainrule .equations { display: grid; grid-template-columns: max-content minmax(min-content, 1fr) max-content;
  column-gap: .1em; row-gap: .55em; align-items: baseline; overflow-x: auto; overflow-y: hidden;
  margin: .9em 0; padding: .15em 0 .25em }
.chainrule .equation { display: contents }
.chainrule .left { grid-column: 1; text-align: end }
.chainrule .right { grid-column: 2; display: flex; flex-wrap: wrap; align-items: baseline }
.chainrule .whole { grid-column: 1 / 3 }
.chainrule .shape { grid-column: 3; padding-inline-start: 1.5em; text-align: end; color: var(--soft);
  font-size: .88em; font-variant-numeric: lining-nums }
.chainrule .size { font-family: "STIX Two Text", Cambria, "Latin Modern Roman", "Times New Roman", serif;
  white-space: nowrap }
.chainrule .side { padding-inline-start: 1.3em; text-indent: -1.3em }
.chainrule .side > *, .chainrule .part > * { text-indent: 0 }
.chainrule .equations .part + wbr + .part, .chainrule .equations math + wbr + .part { display: inline-block }
.chainrule .equations math { padding-block: .12em }
.chainrule .held { white-space: nowrap }
.chainrule .step { margin: 1.1em 0 }
.chainrule .step .equations { margin-block: 0 .2em }
.chainrule .why { margin: 0; padding-inline-start: 1.2em; border-inline-start: 2px solid var(--line);
  color: var(--soft); font-size: .94em; overflow-x: auto; overflow-y: hidden; list-style: none }
.chainrule .why li + li { margin-top: .25em }
.chainrule .remark { margin: 1em 0; padding: .5em .9em; border-inline-start: 3px solid var(--accent);
  background: var(--tint) }
.chainrule .box { margin: 1.2em 0; padding: .4em 1em; border: 1.5px solid var(--accent); border-radius: .4em }
.chainrule mtable.cases mtd { text-align: left; padding: .1em .6em .1em 0 }
.chainrule mtable.matrix mtd { text-align: right; text-align: -webkit-right; padding: .15em .4em }
.chainrule footer { margin-top: 2em; padding-top: .6em; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .9em }
.chainrule .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap }
@container (max-width: 38rem) {
  .chainrule .shape:not(.short) { grid-column: 1 / -1; padding: 0; margin-top: -.45em }
  .chainrule .wide .left { grid-column: 1 / -1 }
  .chainrule .wide .right { grid-column: 1 / 3 }
  .chainrule .box { padding-inline: .45em }
  .chainrule .shape { padding-inline-start: .5em }
  .chainrule .wide .left { text-align: start }
  .chainrule .wide .right { padding-inline-start: 1.2em; margin-top: -.3em }
}
@media print {
  .chainrule { container-type: normal }
  .chainrule .right, .chainrule .whole, .chainrule .why, .chainrule .remark { break-inside: avoid }
  .chainrule .why, .chainrule .shape { break-before: avoid }
  .chainrule .equations, .chainrule .why { overflow: visible }
  .chainrule h2, .chainrule h3, .chainrule h2 + p { break-after: avoid }
  .chainrule nav { display: none }
}
"""
STYLE = _TEMPLATE.replace("MATH_FONTS", MATH_FONTS).replace("ROOT_FONTS", _ROOT_FONTS)
"""The style of a derivation within any page; colours follow those of the page."""

PAGE_STYLE = """
:root { color-scheme: light dark }
body { margin: 0; background: #fff; color: #1c1e21; font-size: 17px; -webkit-text-size-adjust: 100%;
  font-family: "Iowan Old Style", "Palatino Linotype", Palatino, "Noto Serif", Georgia, serif }
:lang(zh) body { font-family: "Songti SC", "Source Han Serif SC", "Noto Serif CJK SC", STSong, SimSun, serif }
.chainrule { max-width: 52rem; margin: 0 auto; padding: 2.2rem 1.1rem 3rem; box-sizing: border-box }
.chainrule nav ol { list-style: none; padding: 0; margin: 1.2em 0 0; display: flex; flex-wrap: wrap; gap: .2em 1.4em;
  font-size: .92em }
.chainrule nav a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: .2em }
@media (max-width: 30rem) { body { font-size: 16px } .chainrule { padding: 1.4rem .9rem 2rem } }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #e4e6ea } }
@page { margin: 18mm 16mm }
@media print {
  :root { color-scheme: light }
  body { background: none; color: #000; font-size: 10.5pt }
  .chainrule { max-width: none; padding: 0; }
}
"""
"""The additional style of a standalone page."""
