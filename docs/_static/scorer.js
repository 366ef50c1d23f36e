// The weights of the search, as Sphinx has them, with one difference: a heading that has the words
// of the question comes before all pages that only have the words somewhere in their text.
var Scorer = {
  score: ([_page, _title, _anchor, _text, score, _file, kind]) =>
    kind === "title" ? 100 + score : score,
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
