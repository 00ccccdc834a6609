/** The panel's look, in its own shadow: it takes the page's font and colour scheme, and nothing else of it. */

const CSS = `
:host { display: block; container-type: inline-size; font-family: inherit; line-height: 1.45;
  --ink: light-dark(#191815, #edeae4); --muted: light-dark(#625d54, #aaa296); --line: light-dark(#8d877c, #847d72);
  --paper: light-dark(#fbfaf8, #1c1a18); --sunken: light-dark(#f1efea, #24221f);
  --accent: light-dark(#0e626c, #7cc4cd); --on-accent: light-dark(#fff, #10201f); }
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
section { color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: 4px; padding: 1rem;
  display: grid; gap: .9rem; }
form { display: grid; gap: .7rem; }
label, legend { font-size: .8125rem; color: var(--muted); padding: 0; }
label > span { display: block; margin-bottom: .25rem; }
textarea, select, button, .counts label { font: inherit; font-size: .9375rem; color: var(--ink); background: var(--paper);
  border: 1px solid var(--line); border-radius: 3px; padding: .45rem .65rem; }
textarea { width: 100%; min-height: 4.2rem; resize: vertical; }
fieldset { border: 0; margin: 0; padding: 0; }
.row { display: flex; flex-wrap: wrap; gap: .9rem; align-items: end; }
.counts { display: flex; gap: .3rem; margin-top: .25rem; }
.counts label { min-width: 2.5rem; text-align: center; cursor: pointer; }
.counts input { position: absolute; opacity: 0; }
.counts label:has(:checked) { background: var(--ink); color: var(--paper); }
button { cursor: pointer; min-height: 2.4rem; }
button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
button[disabled] { opacity: .55; cursor: default; }
:focus-visible, .counts label:has(:focus-visible) { outline: 2px solid var(--accent); outline-offset: 2px; }
.status { margin: 0; min-height: 1.4em; font-size: .875rem; color: var(--muted); }
.status.wrong { color: light-dark(#8f2417, #f0a693); }
details.said { font-size: .8125rem; color: var(--muted); }
details.said summary { cursor: pointer; }
details.said p { margin: .3rem 0 0; overflow-wrap: anywhere; }
progress { width: 100%; height: .35rem; accent-color: var(--accent); }
.grid { display: grid; gap: .5rem; grid-template-columns: repeat(auto-fill, minmax(min(9rem, 45%), 1fr)); list-style: none; margin: 0; padding: 0; }
.grid button { display: block; width: 100%; padding: 0; border: 2px solid transparent; background: var(--sunken); overflow: hidden; }
.grid button[aria-pressed="true"] { border-color: var(--accent); }
img { display: block; width: 100%; height: auto; }
.stage { position: relative; background: var(--sunken); }
.stage.cropping { cursor: crosshair; }
.stage.cropping::after { content: ""; position: absolute; inset: 0; outline: 2px solid var(--accent); outline-offset: -2px; pointer-events: none; }
.mark { position: absolute; width: 1.6rem; height: 1.6rem; min-height: 0; padding: 0; border-radius: 50%; border: 3px solid #fff; background: transparent;
  box-shadow: 0 0 0 2px #191815; transform: translate(-50%, -50%); }
.empty { aspect-ratio: 3 / 2; display: grid; place-items: center; background: var(--sunken); color: var(--muted); }
.hint { margin: 0; flex-basis: 100%; font-size: .8125rem; color: var(--muted); }
.used { font-size: .8125rem; font-weight: 600; color: var(--accent); }
`;

/** Return the style sheet. Constructed, not written into the page: no Content-Security-Policy is in its way. */
export function panelStyle() {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS);
  return sheet;
}
