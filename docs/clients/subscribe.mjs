// Print each article's pictures as soon as they are there (npm install kafkajs@2.2.4).
import { Kafka } from "kafkajs";

const kafka = new Kafka({ brokers: (process.env.KAFKA ?? "127.0.0.1:9092").split(",") });
const consumer = kafka.consumer({ groupId: "cms-js", readUncommitted: false }); // never events that were taken back
await consumer.connect();
await consumer.subscribe({ topic: "article-image-outcome", fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const kind = message.headers.ce_type.toString();
    const outcome = JSON.parse(message.value);
    const { id, revision } = outcome.article;
    if (kind === "org.leadart.article.image-ready.v1") {
      for (const picture of outcome.pictures) console.log(id, revision, picture.url);
    } else if (kind === "org.leadart.article.image-failed.v1") {
      console.log(id, revision, outcome.reason, outcome.message);
    }
  },
});
