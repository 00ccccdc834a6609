// Ask for pictures, as a CMS does when an article is saved (npm install kafkajs@2.2.4).
import { randomUUID } from "node:crypto";
import { Kafka, Partitioners } from "kafkajs";

const article = { id: "a-1042", revision: 7, headline: "Storm over the harbour" };
const output = { variants: 2, width: 256, height: 256 };
const request = { article, style: { preset: "oil_painting" }, output };
const headers = {
  "content-type": "application/json",
  ce_specversion: "1.0",
  ce_id: randomUUID(),
  ce_source: "/cms/newsroom",
  ce_type: "org.leadart.article.image-requested.v1",
};

const kafka = new Kafka({ brokers: (process.env.KAFKA ?? "127.0.0.1:9092").split(",") });
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner }); // as Java's
await producer.connect();
await producer.send({
  topic: "article-image-requested",
  messages: [{ key: article.id, value: JSON.stringify(request), headers }],
});
await producer.disconnect();
