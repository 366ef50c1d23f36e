"""Scripts that look at the page as it is: widths, names for a screen reader, contrast."""

from __future__ import annotations

#: What makes the page wider than the window.
WIDE = """
const wide = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= wide) return [];
return [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > wide + 1)
  .map(e => e.tagName + " " + e.className).slice(0, 5);
"""

#: Controls without a name that a screen reader can say.
NAMELESS = """
const named = e => e.getAttribute("aria-label") || e.getAttribute("title") || e.textContent.trim()
  || [...(e.labels || [])].some(label => label.textContent.trim());
return [...document.querySelectorAll("button, input, select, textarea, a[href], dialog, nav, main, aside, section")]
  .filter(e => !["MAIN", "SECTION"].includes(e.tagName) && !named(e)).map(e => e.outerHTML.slice(0, 80));
"""

#: Texts whose contrast with what is behind them is less than WCAG 2.2 AA asks for.
FAINT = """
const parts = colour => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
const over = (top, back) => top.slice(0, 3).map((v, i) => v * top[3] + back[i] * (1 - top[3]));
const light = rgb => { const [r, g, b] = rgb.map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = e => { const layers = []; for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor); layers.push(c); if (c[3] === 1) break; }
  return layers.reverse().reduce((back, top) => over(top, back), [255, 255, 255]); };
const faint = [];
for (const e of document.querySelectorAll("body *")) {
  const text = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data).join("").trim();
  if (!text || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || e.disabled || e.closest(".tw-emoji, .unseen, .skip, .flash, option, script, style")) continue;
  const style = getComputedStyle(e), back = behind(e);
  let shown = parts(style.color), opacity = 1;
  for (let up = e; up; up = up.parentElement) opacity *= Number(getComputedStyle(up).opacity);
  shown[3] *= opacity;
  const a = light(over(shown, back)), b = light(back), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (ratio < (large ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)} ${e.tagName}.${e.className}: ${text.slice(0, 30)}`);
}
return faint.slice(0, 8);
"""

#: Sets up a stop-watch: how long from the press of "Send" to the message on the page, in milliseconds.
TIMED = """
const [text, done] = arguments;
const list = document.getElementById("list");
const begun = performance.now();
const watching = new MutationObserver(() => {
  if (![...list.children].slice(-3).some(one => one.textContent.includes(text))) return;
  watching.disconnect();
  requestAnimationFrame(() => done(performance.now() - begun));
});
watching.observe(list, { childList: true });
document.getElementById("text").value = text;
document.getElementById("say").requestSubmit();
"""
