/** One stylesheet for every page. Colours meet WCAG AA (4.5:1 for text, 3:1 for edges of controls) in both schemes. */
export const stylesheet = `:root {
  color-scheme: light dark;
  --ground: #f5f6f8;
  --card: #ffffff;
  --text: #171b22;
  --soft: #545d6b;
  --edge: #dfe3e9;
  --control: #868f9d;
  --accent: #1f5fbf;
  --accent-text: #ffffff;
  --good: #146c43;
  --good-ground: #e2f4ea;
  --warn: #7a4b00;
  --warn-ground: #fdf0d5;
  --bad: #b3231b;
  --bad-ground: #fdeae8;
  --bad-text: #ffffff;
  --mute-ground: #eceff3;
  --shadow: 0 1px 2px rgb(23 27 34 / 6%), 0 4px 16px rgb(23 27 34 / 5%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1216;
    --card: #181c22;
    --text: #e8ebf0;
    --soft: #a3adba;
    --edge: #2a3039;
    --control: #6f7a89;
    --accent: #86b6ff;
    --accent-text: #0c1a30;
    --good: #7bd8a6;
    --good-ground: #143022;
    --warn: #f0c36d;
    --warn-ground: #352810;
    --bad: #ff8f86;
    --bad-ground: #3a1a18;
    --bad-text: #2b0906;
    --mute-ground: #262c35;
    --shadow: none;
  }
}
*, *::before, *::after { box-sizing: border-box; }
body {
  margin: 0;
  background: var(--ground);
  color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
  overflow-wrap: anywhere;
}
.address { white-space: nowrap; }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25; letter-spacing: -.01em; font-weight: 650; }
h2 { margin: 0 0 .75rem; font-size: 1.1875rem; line-height: 1.3; letter-spacing: -.005em; font-weight: 650; }
h3 { margin: 1.25rem 0 .5rem; font-size: 1rem; font-weight: 650; }
p { margin: 0 0 1rem; }
a { color: var(--accent); text-underline-offset: .15em; }
small { font-size: .875rem; color: var(--soft); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 6px; }
main:focus { outline: none; }

.skip { position: absolute; left: 1rem; top: -4rem; padding: .5rem 1rem; background: var(--card); z-index: 1; }
.skip:focus { top: .5rem; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.bar {
  display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1rem;
  min-height: 3.75rem; padding: .5rem clamp(1rem, 4vw, 2.5rem);
  background: var(--card); border-bottom: 1px solid var(--edge);
}
.brand { display: inline-flex; align-items: center; gap: .55rem; font-weight: 680; font-size: 1.0625rem; letter-spacing: -.01em; }
.mark { width: 1.6rem; height: 1.6rem; }
.mark .wall { fill: var(--accent); }
.mark .gate { fill: var(--card); }
nav { display: flex; flex-wrap: wrap; gap: .125rem; font-size: .9375rem; }
nav a { padding: .375rem .5rem; border-radius: 8px; color: var(--soft); text-decoration: none; font-weight: 550; white-space: nowrap; }
nav a:hover { background: var(--mute-ground); color: var(--text); }
nav a[aria-current] { background: var(--mute-ground); color: var(--text); }
.who { display: flex; align-items: center; gap: .75rem; margin-left: auto; min-width: 0; }
.who .account { color: var(--soft); font-size: .875rem; max-width: 20rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }

main { max-width: 80rem; margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 2.5rem) 4rem; }
.narrow main { max-width: 38rem; }
.heading { margin-bottom: 1.5rem; }
.lead { max-width: 46rem; color: var(--soft); margin: 0; }
.lead strong { color: var(--text); font-weight: 600; }
.back { margin-bottom: .75rem; font-size: .9375rem; }
.back a::before { content: '\\2190\\00a0'; }
.card { background: var(--card); border: 1px solid var(--edge); border-radius: 14px; box-shadow: var(--shadow); }
main > * + section, main > * + form, .card + .card, .actions + .card { margin-top: 1.75rem; }
main > .back + section { margin-top: 0; }
.lead + .card { margin-top: 1rem; }
.padded > :last-child, .padded > form:last-child > :last-child { margin-bottom: 0; }
.wide .padded .field { max-width: 34rem; }
.wide .padded .facts { max-width: 46rem; }
.narrow .card { padding: clamp(1.25rem, 5vw, 2rem); }
.narrow .card > :last-child { margin-bottom: 0; }
.empty { padding: 3rem 1rem; text-align: center; color: var(--soft); }
.empty p { margin: 0; }
.note { margin: .875rem 0 0; font-size: .875rem; color: var(--soft); }
.faint { color: var(--soft); }
.message.bad h1 { color: var(--bad); }
.message.good h1 { color: var(--good); }

.rows { width: 100%; border-collapse: collapse; font-size: .9375rem; font-variant-numeric: tabular-nums; }
.rows th, .rows td { padding: .8125rem 1rem; text-align: left; vertical-align: middle; }
.rows thead th { padding-block: .625rem; font-size: .8125rem; font-weight: 550; color: var(--soft); white-space: nowrap; }
.rows tbody tr { border-top: 1px solid var(--edge); }
.rows tbody th { font-weight: 550; }
.rows small { font-weight: 400; }
.rows .number { text-align: right; }
.rows .action { text-align: right; white-space: nowrap; }
.rows time { white-space: nowrap; }
.rows th[scope=row] a { color: inherit; text-decoration-color: var(--control); }
.pair { display: inline-flex; flex-wrap: wrap; align-items: center; gap: .25rem .5rem; }
.rows .pair { flex-wrap: nowrap; white-space: nowrap; }
.stack { display: inline-flex; flex-direction: column; line-height: 1.35; }
.problem { color: var(--bad); max-width: 24rem; }

.badge {
  display: inline-block; padding: .0625rem .5rem; border-radius: 99px; white-space: nowrap; vertical-align: middle;
  font-size: .8125rem; font-weight: 600; line-height: 1.45; letter-spacing: 0; background: var(--mute-ground); color: var(--soft);
}
.badge.good { background: var(--good-ground); color: var(--good); }
.badge.warn { background: var(--warn-ground); color: var(--warn); }
.badge.bad { background: var(--bad-ground); color: var(--bad); }

.button, button {
  display: inline-flex; align-items: center; justify-content: center; min-height: 2.75rem; padding: .5rem 1.125rem;
  border: 1px solid transparent; border-radius: 10px; background: var(--accent); color: var(--accent-text);
  font: inherit; font-weight: 600; text-decoration: none; cursor: pointer; white-space: nowrap;
}
.button:hover, button:hover { filter: brightness(1.08); }
.button.plain, button.quiet { background: transparent; color: var(--text); border-color: var(--control); }
.button.plain:hover, button.quiet:hover { background: var(--mute-ground); filter: none; }
button.quiet { min-height: 2.25rem; padding: .25rem .75rem; font-size: .9375rem; font-weight: 550; }
.button.danger, button.danger { background: var(--bad); color: var(--bad-text); }
.button.small { min-height: 2.25rem; padding: .25rem .75rem; font-size: .875rem; }
.button.danger.small { background: transparent; color: var(--bad); border-color: currentcolor; }
.button.danger.small:hover { background: var(--bad-ground); filter: none; }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0 0; }

.facts { margin: 1.25rem 0 0; border-top: 1px solid var(--edge); }
.facts div { display: flex; gap: 1rem; padding: .625rem 0; border-bottom: 1px solid var(--edge); }
.facts div:last-child { border-bottom: 0; padding-bottom: 0; }
.facts dt { flex: 0 0 8rem; color: var(--soft); }
.facts dd { margin: 0; min-width: 0; }
.facts dd small { display: block; }
.facts code { word-break: break-all; }
.facts + p { margin-top: 1.25rem; }
.machines { list-style: none; margin: 1rem 0 0; padding: 0; border: 1px solid var(--edge); border-radius: 10px; }
.machines li { display: flex; align-items: center; gap: .75rem; padding: .625rem .875rem; }
.machines li + li { border-top: 1px solid var(--edge); }
.machines .name { flex: 1; min-width: 0; font-weight: 550; }

.padded { padding: clamp(1rem, 4vw, 1.5rem); margin-bottom: 1.25rem; }
.check { display: flex; gap: .625rem; align-items: baseline; margin: 0 0 1rem; }
.field { display: grid; gap: .375rem; margin: 0 0 1rem; }
.field label { font-weight: 550; }
.actions .field { margin: 0; }
form.actions { align-items: end; }
.field input, .field select, .field textarea {
  width: 100%; min-height: 2.75rem; padding: .5rem .75rem; border: 1px solid var(--control); border-radius: 10px;
  background: var(--ground); color: var(--text); font: inherit;
}
.copied { display: flex; align-items: center; gap: .5rem .75rem; margin: 0 0 .5rem; }
.copied code { flex: 1; min-width: 0; padding: .5rem .75rem; border: 1px solid var(--edge); border-radius: 10px; background: var(--ground); user-select: all; }
.copied-name { margin: .875rem 0 .25rem; color: var(--soft); font-size: .9375rem; }
code { font: .875em ui-monospace, 'SFMono-Regular', Menlo, Consolas, monospace; }

@media (max-width: 60rem) {
  .rows, .rows tbody { display: block; }
  .rows thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .rows tbody tr { display: block; padding: .875rem 1.125rem; }
  .rows tbody tr:first-child { border-top: 0; }
  .rows tbody th, .rows tbody td, .rows tbody .number { display: flex; gap: 1rem; padding: .3125rem 0; text-align: left; }
  .rows tbody td::before { content: attr(data-label); flex: 0 0 7rem; color: var(--soft); }
  .rows tbody th { font-size: 1.0625rem; flex-wrap: wrap; gap: .25rem .5rem; align-items: center; }
  .rows tbody .action { padding-top: .75rem; text-align: left; }
  .rows tbody .action::before { content: none; }
  .rows tbody .action .button { width: 100%; min-height: 2.75rem; }
}
@media (max-width: 34rem) {
  .bar { padding-block: .75rem; }
  nav { order: 3; width: 100%; margin-inline: -.625rem; gap: 0; }
  nav a { padding-inline: .625rem; }
  .who .account { display: none; }
  .facts div { flex-direction: column; gap: 0; }
  .facts dt { flex-basis: auto; font-size: .875rem; }
  .actions > * { flex: 1 1 100%; }
}
@media (forced-colors: active) {
  .badge, .button, button, .card { border: 1px solid; }
}
`;
