"""How the pages look: one column, hairlines, figures that line up, light and dark, paper too."""

STYLE = """
:root {
  --paper: #fdfcfa; --panel: #f5f3ee; --ink: #1d1c1a; --soft: #625d55; --line: #dfdad0;
  --accent: #1d4f91; --dots: .28; --good: #14633d; --good-wash: #e4f1e9;
  --bad: #a1241a; --bad-wash: #fae7e4; --care: #7a4b00; --care-wash: #faefd7;
  --s0: #1d4f91; --s1: #b4460f; --s2: #1b7a5a; --s3: #84358f; --s4: #8a6a00; --s5: #4a4f57;
  --sans: "Inter", "Segoe UI", system-ui, -apple-system, "Helvetica Neue", Arial,
    "Liberation Sans", sans-serif;
  --serif: "Charter", "Iowan Old Style", "Palatino Linotype", "Palatino", Georgia,
    "Liberation Serif", serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16171a; --panel: #1e2024; --ink: #eceae6; --soft: #a8a49c; --line: #34363b;
    --accent: #93bdf5; --dots: .42; --good: #7fd0a3; --good-wash: #17301f;
    --bad: #ff9d90; --bad-wash: #3c1d19; --care: #ecc069; --care-wash: #352812;
    --s0: #82b3f5; --s1: #f29a63; --s2: #6fcfa8; --s3: #d79be0; --s4: #dcc05a; --s5: #b9bec7;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 var(--sans);
  font-variant-numeric: tabular-nums; font-feature-settings: "tnum";
}
main, footer { max-width: 73rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding: 3.5rem 0 0; }
h1, h2 { font-family: var(--serif); font-weight: 600; text-wrap: balance; }
h1 {
  margin: .1em 0 .3em; font-size: clamp(1.9rem, 1.4rem + 2.2vw, 2.9rem); line-height: 1.12;
  letter-spacing: -.015em; overflow-wrap: anywhere;
}
h2 { margin: 0 0 .8rem; font-size: 1.45rem; line-height: 1.25; }
h3 { margin: 0 0 .2rem; font-size: 1rem; font-weight: 600; line-height: 1.35; }
section { margin-top: 3.5rem; }
p { margin: 0 0 1rem; max-width: 42rem; }
a { color: var(--accent); text-underline-offset: .15em; text-decoration-thickness: 1px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
.eyebrow { margin: 0; color: var(--soft); font-size: .875rem; }
.lead { font-size: 1.125rem; color: var(--soft); overflow-wrap: anywhere; }
.soft, small { color: var(--soft); }
small { font-size: .8125rem; }
code, pre { font-family: var(--mono); font-size: .875em; font-variant-ligatures: none; }
.hidden {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap;
}
nav { display: flex; flex-wrap: wrap; gap: .35rem 1.4rem; font-size: .9375rem; }

.figures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr));
  gap: 1.5rem 2rem; margin: 2rem 0 0; padding: 1.4rem 0; border-block: 1px solid var(--line);
}
.figures div { display: grid; grid-template-rows: 1fr auto; }
.figures dt { font-size: .875rem; color: var(--soft); align-self: end; }
.figures dd { margin: 0; }
.figures .big {
  font-size: 2rem; line-height: 1.2; font-weight: 500; letter-spacing: -.02em; white-space: nowrap;
}
.figures .big small { font-size: 1rem; letter-spacing: 0; }

.checks { list-style: none; margin: 0; padding: 0; }
.checks li {
  display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); gap: .25rem 1.25rem;
  padding: .85rem 0; border-top: 1px solid var(--line);
}
.checks li:last-child { border-bottom: 1px solid var(--line); }
.checks p { margin: 0; font-size: .9375rem; color: var(--soft); overflow-wrap: anywhere; }
.tag {
  display: inline-block; justify-self: start; align-self: start; padding: .05rem .55rem;
  border-radius: 1rem; font-size: .8125rem;
  font-weight: 600; line-height: 1.5; white-space: nowrap; background: var(--panel);
  color: var(--soft);
}
.tag.good { background: var(--good-wash); color: var(--good); }
.tag.bad { background: var(--bad-wash); color: var(--bad); }
.tag.care { background: var(--care-wash); color: var(--care); }
.note {
  padding: .8rem 1rem; border-left: 3px solid var(--care); background: var(--care-wash);
  font-size: .9375rem; overflow-wrap: anywhere;
}

.scroller { overflow-x: auto; -webkit-overflow-scrolling: touch; margin-bottom: 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; line-height: 1.35; }
th, td { padding: .5rem 0 .5rem 1.2rem; text-align: right; vertical-align: top; }
th:first-child { padding-left: 0; text-align: left; }
td { white-space: nowrap; }
td small, th small { display: block; font-size: .75rem; font-weight: 400; }
thead th { vertical-align: bottom; font-weight: 600; border-bottom: 1px solid var(--ink); }
tbody th { font-weight: 500; }
th { overflow-wrap: anywhere; }
thead th { min-width: 6.2rem; max-width: 11rem; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tbody th[scope="row"] { min-width: 10.5rem; }
th[scope="rowgroup"] {
  padding-top: 1.5rem; font-family: var(--serif); font-size: 1.0625rem; font-weight: 600;
}
tbody th:first-child, thead th:first-child {
  position: sticky; left: 0; background: var(--paper); padding-right: .5rem;
}
td.whole { font-weight: 600; }
td.whole small { font-weight: 400; }
td.none { text-align: left; white-space: normal; color: var(--soft); }
td.none span { display: block; max-width: 34rem; }
tr.judged th { border-left: 3px solid var(--care); padding-left: .6rem; }
sup a { text-decoration: none; padding: 0 .1rem; }
.better { color: var(--good); } .worse { color: var(--bad); }
.key { font-family: var(--mono); font-size: .75rem; font-weight: 400; color: var(--soft); }
.footnotes {
  columns: 2 24rem; column-gap: 3rem; margin: 0; padding-left: 1.6rem; font-size: .8125rem;
  color: var(--soft);
}
.footnotes li {
  padding-left: .2rem; margin-bottom: .35rem; overflow-wrap: anywhere; break-inside: avoid;
}
.footnotes b { color: var(--ink); font-weight: 500; }

.plots {
  display: grid; gap: 2.2rem 2.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr));
}
figure { margin: 0; }
.plots figcaption { margin-bottom: .4rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font: 12px var(--sans); fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--line); stroke-width: 1; shape-rendering: crispEdges; }
svg .axis { stroke: var(--soft); stroke-width: 1; shape-rendering: crispEdges; }
svg .natural { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; }
svg .dots { fill: none; stroke-linecap: round; stroke-width: 3.2; stroke-opacity: var(--dots); }
svg .trend { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
svg .whisker { stroke-width: 1.6; }
svg .point { fill: var(--paper); stroke-width: 1.8; }
.legend {
  display: flex; flex-wrap: wrap; gap: .3rem 1.6rem; list-style: none; padding: 0;
  margin: 0 0 1.4rem; font-size: .9375rem;
}
.legend li { display: flex; align-items: center; gap: .5rem; overflow-wrap: anywhere; }
.legend svg { width: 2.2rem; flex: none; }

.sheet { max-width: 56rem; margin-top: 2.2rem; }
.sheet h3 { margin-bottom: .6rem; }
.sheet .heads { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; grid-row: 1; }
.sheet .heads span { font-size: .8125rem; color: var(--soft); padding-bottom: .3rem; }
.sheet .body {
  display: grid; grid-template-columns: minmax(0, 3fr) minmax(9rem, 1fr); column-gap: 1.25rem;
}
.sheet img { grid-row: 2; display: block; width: 100%; height: auto; background: var(--panel); }
.sheet ol {
  grid-row: 2; list-style: none; margin: 0; padding: 0; display: grid; grid-auto-rows: 1fr;
  font-size: .875rem; line-height: 1.4;
}
.sheet li { align-self: center; overflow-wrap: anywhere; }
.sheet li b { display: block; font-weight: 600; }

.facts { margin: 0 0 1.5rem; }
.facts div {
  display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: 0 1.25rem; padding: .45rem 0;
  border-top: 1px solid var(--line);
}
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
pre {
  margin: .5rem 0 1.2rem; padding: .9rem 1.1rem; background: var(--panel); border-radius: 4px;
  line-height: 1.6; white-space: pre-wrap; overflow-wrap: anywhere;
}
footer { padding-block: 3.5rem 2.5rem; color: var(--soft); font-size: .8125rem; }

@media (max-width: 40rem) {
  main, footer { padding-inline: 1.1rem; }
  header { padding-top: 2rem; }
  section { margin-top: 2.8rem; }
  .figures { grid-template-columns: 1fr 1fr; gap: 1.2rem 1rem; }
  .figures .big { font-size: 1.6rem; }
  .checks li { grid-template-columns: 1fr; justify-items: start; }
  tbody th[scope="row"] { min-width: 7.4rem; max-width: 8.2rem; }
  th, td { padding-left: .9rem; }
  td.none span { max-width: min(34rem, calc(100vw - 12rem)); position: sticky; left: 9.6rem; }
  .facts div { grid-template-columns: 1fr; }
  .sheet .body { grid-template-columns: 1fr; }
  .sheet ol { grid-row: 3; grid-auto-rows: auto; gap: .5rem; margin-top: .8rem; }
  .sheet li { align-self: start; }
  .sheet li b { display: inline; }
}
@media print {
  :root {
    --paper: #fff; --panel: #f4f4f2; --ink: #000; --soft: #444; --line: #ccc; --accent: #123f78;
    --dots: .28; --good: #14633d; --good-wash: #fff; --bad: #a1241a; --bad-wash: #fff;
    --care: #7a4b00; --care-wash: #fff; --s0: #1d4f91; --s1: #b4460f; --s2: #1b7a5a;
    --s3: #84358f; --s4: #8a6a00; --s5: #4a4f57;
  }
  @page { margin: 16mm 14mm; }
  body { font-size: 9.5pt; }
  main, footer { max-width: none; padding: 0; }
  header { padding-top: 0; }
  nav { display: none; }
  section { margin-top: 1.6rem; }
  h2, h3, thead { break-after: avoid; }
  tr, figure, .checks li, .facts div { break-inside: avoid; }
  .plots { grid-template-columns: 1fr 1fr; }
  .scroller { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding-left: .5rem; }
  td small, th small, .key { font-size: 6.5pt; }
  tbody th:first-child, thead th:first-child { position: static; }
  .sheet { max-width: none; }
  .sheet .body { grid-template-columns: 11cm minmax(0, 1fr); }
  .tag { border: 1px solid currentColor; }
}
"""
