// Print what responsive.mjs makes of each case on stdin: [{"call": "figure" | "socialTags" | "placeholder", "arguments": [...]}].
import { text } from "node:stream/consumers";
import * as responsive from "./responsive.mjs";

const cases = JSON.parse(await text(process.stdin));
console.log(JSON.stringify(cases.map((each) => responsive[each.call](...each.arguments))));
