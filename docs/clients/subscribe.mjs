// Print each article's pictures as soon as they are there (npm install kafkajs@2.2.4).
import { Kafka } from "kafkajs";

const kafka = new Kafka({ brokers: (process.env.KAFKA ?? "127.0.0.1:9092").split(",") });
const consumer = kafka.consumer({ groupId: "cms-js", readUncommitted: false }); // never events of aborted transactions
await consumer.connect();
await consumer.subscribe({ topic: "article-image-outcome", fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const kind = message.headers.ce_type.toString().split(".").at(-2);
    const outcome = JSON.parse(message.value);
    const { id, revision } = outcome.article;
    if (kind === "image-ready") {
      for (const { url, renditions = [] } of outcome.pictures) {
        console.log(id, revision, url);
        for (const file of renditions) console.log(`  ${file.name} ${file.media_type} ${file.bytes} bytes ${file.url}`);
      }
      console.log("  AI-generated.", outcome.disclosure?.credit_line ?? "");
    } else { // image-failed, image-superseded, image-expired: no picture will come for this request
      console.log(id, revision, kind, outcome.message ?? "");
    }
  },
});
