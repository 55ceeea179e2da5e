"""Style sheet of the page: one column on a phone, charts side by side on a desktop, light and dark."""

from chainrule.charts import CHART_STYLE

STYLE = (
    CHART_STYLE
    + """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1e21; --blue: #1f6fc4; --red: #c2410c;
  --green: #15803d; --violet: #7c3aed }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e4e6ea; --blue: #6cb0f5; --red: #fb923c;
  --green: #4ade80; --violet: #c4a5fd } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; -webkit-text-size-adjust: 100% }
.report { --soft: color-mix(in srgb, var(--ink) 68%, transparent);
  --line: color-mix(in srgb, var(--ink) 16%, transparent); --tint: color-mix(in srgb, var(--ink) 5%, transparent);
  max-width: 62rem; margin: 0 auto; padding: 2rem 1.1rem 3rem; box-sizing: border-box; overflow-wrap: break-word }
.report li, .report p, .report nav, .report .bars { overflow-wrap: anywhere }
.report h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4em; text-wrap: balance }
.report h2 { font-size: 1.2rem; margin: 2.2em 0 .6em; padding-top: .8em; border-top: 1px solid var(--line) }
.report .lead { font-size: 1.08rem; margin: .3em 0 }
.report .soft, .report figcaption, .report footer { color: var(--soft) }
.report .verdict, .report .note { border-inline-start: 3px solid var(--red); background: var(--tint);
  padding: .5em .9em; margin: 1em 0 }
.report .note { border-color: var(--line) }
.report nav { display: flex; flex-wrap: wrap; gap: .2em 1.2em; margin: 1.2em 0 0; font-size: .93rem }
.report a { color: var(--blue) }
.report .wide { overflow-x: auto }
.report table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem }
.report th, .report td { padding: .32em .8em .32em 0; text-align: start; vertical-align: top;
  border-bottom: 1px solid var(--line) }
.report thead th { color: var(--soft); font-weight: 500 }
.report tbody th { font-weight: 500; min-width: 5.5em; max-width: 18em }
.report td { max-width: 30em }
.report tr > td:nth-child(3):not(.number) { min-width: 8.5em }
.report .matrix tr > td:nth-child(3) { min-width: 2.4em }
.report td.hash { overflow-wrap: anywhere }
.report td.number, .report th.number { text-align: end; white-space: nowrap }
.report tr.us { background: color-mix(in srgb, var(--blue) 11%, transparent) }
.report tr.us th { font-weight: 650 }
.report tr.out { color: var(--soft) }
.report .matrix td { text-align: center; min-width: 2.4em; padding: .32em .5em; border: 1px solid var(--paper) }
.report .matrix td.right { background: color-mix(in srgb, var(--blue) var(--share), var(--paper)) }
.report .matrix td.wrong { background: color-mix(in srgb, var(--red) var(--share), var(--paper)) }
.report .matrix th { padding-inline-end: .8em; border: 0 }
.report .matrix thead th { text-align: center }
.report .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.2rem }
.report figure { margin: 0 }
.report figcaption { font-size: .92rem; margin-top: .3em }
.charts .cr-chart text { font-size: 15px }
.report .key::before { content: ""; display: inline-block; width: 1.1em; height: .22em; margin-inline-end: .4em;
  vertical-align: middle; background: var(--blue) }
.report .key.second::before { background: var(--red) }
.report .key.third::before { background: var(--green) }
.report .key.fourth::before { background: var(--violet) }
.report .key { margin-inline-end: 1.2em; white-space: nowrap }
.report .bars { display: grid; grid-template-columns: minmax(4rem, max-content) max-content minmax(3rem, 1fr);
  gap: .3em .8em; align-items: center; font-variant-numeric: tabular-nums; font-size: .95rem }
.report .bars .value { text-align: end }
.report .bars .drawn { position: relative; height: .8em }
.report .bars .bar { position: absolute; height: 100%; background: var(--blue); border-radius: 2px; min-width: 1px }
.report .bars .range { position: absolute; top: 50%; border-top: 2px solid var(--ink); opacity: .55 }
.report .next li { margin: .5em 0 }
.report details > summary { cursor: pointer; color: var(--blue); margin: .6em 0 }
.report code { font: .92em ui-monospace, "SF Mono", Menlo, Consolas, monospace; background: var(--tint);
  padding: .1em .3em; border-radius: 3px }
.report .chainrule h1 { font-size: 1.15rem }
.report .chainrule { max-width: none; padding: 0; font-size: 16px;
  font-family: "Iowan Old Style", "Palatino Linotype", Palatino, "Noto Serif", Georgia, "Noto Serif CJK SC", serif }
.report footer { margin-top: 2.5em; padding-top: .8em; border-top: 1px solid var(--line); font-size: .88rem }
@media (max-width: 32rem) { .report { padding: 1.3rem .9rem 2rem } .report h1 { font-size: 1.4rem }
  .report .cr-chart text { font-size: 18px }
  .report .scores table { font-size: .84rem } .report .scores tbody th { min-width: 4.2em }
  .report .scores th, .report .scores td { padding-inline-end: .5em } .report .scores thead th { white-space: normal } }
@media print { :root { color-scheme: light } body { background: none; color: #000; font-size: 10.5pt }
  .report nav { display: none } .report h2 { break-after: avoid } .report figure, .report tr { break-inside: avoid } }
"""
)
