// Publish what an editor decided (npm install kafkajs@2.2.4): node decide.mjs choose SHA256, let-go or withdraw.
import { randomUUID } from "node:crypto";
import { Kafka, Partitioners } from "kafkajs";

const article = { id: "a-1042", revision: 7 };
const [word, sha256] = process.argv.slice(2);
const decisions = {
  choose: ["image-chosen", { article, slot: "hero", picture: { sha256 }, chosen_by: "kim" }], // of a ready outcome
  "let-go": ["image-chosen", { article, slot: "hero", picture: null, chosen_by: "kim" }],
  withdraw: ["withdrawn", { article: { id: article.id }, slot: null, reason: "A court ordered it down." }],
}; // withdraw: all slots; "restored" takes it back
if (!(word in decisions) || (word === "choose" && !sha256)) {
  console.error("node decide.mjs choose SHA256, let-go or withdraw");
  process.exit(1);
}
const [type, data] = decisions[word];
const headers = {
  "content-type": "application/json",
  ce_specversion: "1.0",
  ce_id: randomUUID(),
  ce_source: "/cms/newsroom",
  ce_type: `org.leadart.article.${type}.v1`,
};

const kafka = new Kafka({ brokers: (process.env.KAFKA ?? "127.0.0.1:9092").split(",") });
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner }); // as Java's
await producer.connect();
await producer.send({
  topic: "article-image-requested",
  messages: [{ key: article.id, value: JSON.stringify(data), headers }],
});
await producer.disconnect();
