// Reads a page's data and answers from standard input, and writes the verdict on each: answers are {structure, target,
// text}, with the name of a gradient as target.

import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(`${process.env.MODULES}/${name}.js`).href);
const { judged, newQuestion, newQuiz, sentenceKey } = await load("judge");
const { canonical } = await load("language");
const { payload, answers } = JSON.parse(await text(process.stdin));
globalThis.chainruleLines = [];
for (const script of payload.scripts) (0, eval)(script);
const quizzes = payload.structures.map((structure) =>
  structure.quiz ? newQuiz(structure, globalThis.chainruleLines[structure.module].evaluate, payload.arrays, payload.mistakes.priority) : null,
);
const verdicts = answers.map(({ structure = 0, target, text: answer }) => {
  const quiz = quizzes[structure];
  const key = quiz?.spellings.get(canonical(target))?.key;
  const line = payload.structures[structure].lines.find((each) => each.key === key && each.asked);
  if (!line) return { verdict: "not asked" };
  const { verdict, kind, values, nearest } = judged(newQuestion(quiz, line), answer ?? line.asked);
  const known = verdict === "known" ? payload.mistakes.sentences[sentenceKey({ kind, values })][0] : "";
  return { verdict, kind, values, nearest, sentence: known.replace(/\{([^}]*)\}/g, (_, name) => values[name] ?? "") };
});
process.stdout.write(JSON.stringify(verdicts));
