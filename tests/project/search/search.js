// Search the built documentation with Sphinx's own program, without a browser.
// Usage: node search.js SITE QUERY ...; prints one line of JSON for each query: the hits, best first.
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const [site, ...queries] = process.argv.slice(2);
const element = () => ({ dataset: {}, style: {}, classList: { add() {} } });
Object.assign(globalThis, {
  window: globalThis,
  localStorage: { setItem() {}, getItem: () => null },
  document: {
    documentElement: element(),
    addEventListener() {},
    getElementById: () => null,
    querySelector: () => null,
    querySelectorAll: () => [],
    readyState: "loading",
  },
});
const files = [
  ...["documentation_options", "doctools", "sphinx_highlight"],
  ...["base-stemmer", "english-stemmer", "language_data", "searchtools"],
].map((name) => path.join(site, "_static", `${name}.js`));
for (const file of [...files, path.join(site, "searchindex.js")]) {
  if (fs.existsSync(file)) vm.runInThisContext(fs.readFileSync(file, "utf8"), file);
}
const find = vm.runInThisContext(
  "(query) => Search._performSearch(...Search._parseQuery(query))",
);
for (const query of queries) {
  const hits = find(query).reverse();
  console.log(JSON.stringify(hits.map(([page, title, anchor]) => ({ page, title, anchor }))));
}
