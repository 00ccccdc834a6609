// Print the partition of each article id in the arguments, as kafkajs' default partitioner chooses it: COUNT ID...
import { Partitioners } from "kafkajs";

const [count, ...ids] = process.argv.slice(2);
const partitionMetadata = Array.from({ length: Number(count) }, (_, partitionId) => ({ partitionId, leader: 1 }));
const choose = Partitioners.DefaultPartitioner();
console.log(JSON.stringify(ids.map((key) => choose({ topic: "any", partitionMetadata, message: { key } }))));
