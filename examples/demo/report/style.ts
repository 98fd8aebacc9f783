import { Markup } from './html.ts'

/** The look of the report: few colours, thin lines, and nothing that has to be loaded. */

export const STYLE = new Markup(`
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1e23; --quiet: #5a6270; --rule: #d9dde3; --grid: #e8ebef;
  --band: #1b1e230d; --edge: #aab1bc; --gateless: #0757b5; --plain: #a8480a; --sick: #1b1e23;
  --fill-0: #cfdcee; --fill-1: #aec5e2; --fill-2: #8dadd5; --fill-3: #e6dcc8; --fill-4: #d3c3a1; --fill-5: #d8d8d8 }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e6e9ee; --quiet: #a3acb9; --rule: #343a43;
  --grid: #262b32; --band: #ffffff12; --edge: #5b6470; --gateless: #79b4ff; --plain: #f2a469; --sick: #fff;
  --fill-0: #24405f; --fill-1: #2f5480; --fill-2: #3b69a1; --fill-3: #4a412f; --fill-4: #655838; --fill-5: #444 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1008px; padding: 32px 24px 64px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 8px }
h2 { font-size: 18px; margin: 40px 0 8px; padding-top: 12px; border-top: 1px solid var(--rule) }
h3 { font-size: 15px; margin: 0 }
p { margin: 0 0 12px; max-width: 72ch }
.lead { font-size: 17px }
.quiet, figcaption { color: var(--quiet) }
figure { margin: 24px 0 0; break-inside: avoid }
figcaption { font-size: 13px; max-width: 84ch; margin-bottom: 8px }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; vertical-align: top; padding: 4px 16px 4px 0; border-bottom: 1px solid var(--rule);
  overflow-wrap: break-word }
.timeline td:last-child { overflow-wrap: anywhere }
.timeline td:nth-child(2) { white-space: nowrap }
thead th { font-size: 13px; font-weight: 600; color: var(--quiet) }
tbody th { font-weight: 400; white-space: nowrap }
.numbers td, .numbers thead th { text-align: right; padding: 4px 0 4px 24px; white-space: nowrap }
.numbers tbody th { white-space: nowrap }
.numbers [colspan] { color: var(--ink) }
.headline tbody tr:first-child > * { font-size: 20px; padding-top: 8px; padding-bottom: 8px }
.headline tbody tr:first-child .quiet { font-size: 15px; vertical-align: baseline }
.headline tr > * { vertical-align: baseline }
.strong { font-weight: 650 }
.number { white-space: nowrap; text-align: right }
.timeline { font-size: 13.5px; width: 100% }
.timeline th:first-child { text-align: right }
.timeline .script td { font-weight: 650; border-top: 1px solid var(--edge); background: var(--band) }
.timeline .plain td { color: var(--quiet) }
.scroll { overflow-x: auto }
.scroll table { font-size: 13px }
.scroll th, .scroll td { padding-left: 16px !important }
.scroll th:first-child { padding-left: 0 !important }
details { margin: 12px 0 }
summary { cursor: pointer; font-weight: 600 }
pre { overflow-x: auto; padding: 12px; border: 1px solid var(--rule); font: 12.5px/1.5 ui-monospace, Menlo, Consolas, monospace }
code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 0.92em }
svg { display: block; width: 100%; height: auto }
svg.narrow { display: none; max-width: 480px }
svg text { font: 12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; fill: var(--ink);
  font-variant-numeric: tabular-nums }
svg .tick, svg .note, svg .at text { fill: var(--quiet) }
svg .note { font-size: 11px }
svg .end { text-anchor: end }
svg .mid, svg .fault { text-anchor: middle }
svg .fault { font-size: 11px }
.band { fill: var(--band) }
.edge, .axis, .grid, .limit, .line, .hatch { fill: none }
.edge { stroke: var(--edge); stroke-width: 0.75; stroke-dasharray: 2 3 }
.axis { stroke: var(--edge) }
.grid { stroke: var(--grid) }
.limit { stroke: var(--quiet); stroke-dasharray: 1 3 }
.line { stroke-linejoin: round }
.line.gateless { stroke: var(--gateless); stroke-width: 2.25 }
.line.plain { stroke: var(--plain); stroke-width: 1.5; stroke-dasharray: 5 2 }
.name.gateless { fill: var(--gateless) !important; font-weight: 650 !important }
.name.plain { fill: var(--plain) !important }
.layer { stroke: var(--paper); stroke-width: 1 }
${[0, 1, 2, 3, 4, 5].map((index) => `.fill-${index} { fill: var(--fill-${index}) }`).join('\n')}
.hatch { stroke: var(--sick); stroke-width: 1.2 }
.at rect { fill: none; pointer-events: all }
.at path, .at text { visibility: hidden }
.at path { stroke: var(--quiet); stroke-width: 1; pointer-events: none }
.at:hover path, .at:hover text { visibility: visible }
@media (max-width: 760px) {
  body { padding: 20px 16px 48px }
  h1 { font-size: 22px }
  svg.wide { display: none }
  svg.narrow { display: block }
  th, td { padding-right: 10px }
  .numbers td, .numbers thead th { padding-left: 10px }
  .headline { width: 100%; font-size: 13px }
  .headline tbody th, .headline .quiet, .headline thead th { white-space: normal }
  .headline td, .headline thead th { padding-left: 8px }
  .headline tr > :last-child { padding-right: 0 }
  .headline tbody tr:first-child > * { font-size: 15px }
  .headline tbody tr:first-child .quiet { font-size: 13px }
  .timeline { font-size: 13px }
}
@media print {
  :root { color-scheme: light }
  body { max-width: none; padding: 0; font-size: 11pt }
  svg.wide { display: block }
  svg.narrow, .at { display: none }
  h2, h3 { break-after: avoid }
  tr { break-inside: avoid }
  thead { display: table-header-group }
}
`)
