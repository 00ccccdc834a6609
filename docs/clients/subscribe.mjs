// Print what each slot shows, whenever that changes (npm install kafkajs@2.2.4; slot.mjs lies beside this file).
import { randomUUID } from "node:crypto";
import { Kafka } from "kafkajs";
import { shown } from "./slot.mjs";

const kafka = new Kafka({ brokers: (process.env.KAFKA ?? "127.0.0.1:9092").split(",") });
const groupId = `cms-${randomUUID()}`; // reads all outcomes; a CMS stores them, and has a group that keeps its name
const consumer = kafka.consumer({ groupId, readUncommitted: false }); // never events of aborted transactions
const slots = new Map();

function printPictures({ article, pictures, disclosure, caption }) {
  for (const { url, renditions = [] } of pictures) {
    console.log(article.id, article.revision, url);
    for (const file of renditions) console.log(`  ${file.name} ${file.media_type} ${file.bytes} bytes ${file.url}`);
  }
  console.log("  AI-generated.", disclosure?.credit_line ?? "", caption ?? "");
}

await consumer.connect();
await consumer.subscribe({ topic: "article-image-outcome", fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const kind = message.headers.ce_type.toString().split(".").at(-2).replace(/^image-/, "");
    const outcome = JSON.parse(message.value);
    const slot = `${outcome.article.id} ${outcome.slot}`;
    const before = shown(slots.get(slot) ?? []);
    slots.set(slot, [...(slots.get(slot) ?? []), [kind, outcome]]);
    const after = shown(slots.get(slot));
    if (kind !== "ready" || outcome.offers) { // what the editor is told; the slot shows what it showed
      console.log(slot, kind === "ready" ? "offers" : kind, outcome.message ?? "");
    }
    if (after === null && before !== null) console.log(slot, "shows nothing"); // withdrawn, or the site's own picture
    else if (after !== null && after !== before) printPictures(after);
  },
});
