// What a CMS's own program may look like: written against the client that is generated from the OpenAPI document.
import { choosePicture, getImage, getSlot, listStyles, requestImages } from './generated';
import { client } from './generated/client.gen';
import type { AcceptedImage, ProblemDetails } from './generated';

declare const process: { env: Record<string, string> };

client.setConfig({ baseUrl: process.env.GATEWAY_URL, auth: () => process.env.GATEWAY_KEY });

async function main(): Promise<void> {
  const asked = await requestImages({
    headers: { 'Idempotency-Key': 'save-1' },
    body: {
      article: { id: 'a-1', revision: 1, headline: 'Storm over the harbour' },
      output: { variants: 2 },
    },
  });
  const accepted: AcceptedImage = asked.data!;
  const image = (await getImage({ path: { image_id: accepted.id } })).data!;
  const slot = (await getSlot({ path: { article_id: image.article.id, slot: 'hero' } })).data!;
  const refused = await choosePicture({
    path: { article_id: 'a-1', slot: 'hero' },
    body: { picture: { sha256: 'not a digest' } },
  });
  const problem = refused.error as ProblemDetails;
  const styles = (await listStyles()).data!.styles.map((style) => style.name);
  console.log(JSON.stringify({ id: accepted.id, state: image.state, history: slot.history.length, problem, styles }));
}

void main();
