// Print what slot.mjs shows of each case on stdin, a list of outcomes as pairs of kind and data.
import { text } from "node:stream/consumers";
import { shown } from "./slot.mjs";

const cases = JSON.parse(await text(process.stdin));
console.log(JSON.stringify(cases.map(shown)));
