// node generate.mjs SCHEMAS OUT: make types of the contract with Modelina, quicktype and json-schema-to-typescript.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import modelina from '@asyncapi/modelina';
import { compile } from 'json-schema-to-typescript';
import { FetchingJSONSchemaStore, InputData, JSONSchemaInput, quicktypeMultiFile } from 'quicktype-core';

const [, , schemas, out] = process.argv;
const events = readdirSync(join(schemas, 'events')).map((name) => readFileSync(join(schemas, 'events', name), 'utf8'));

function write(path, text) {
  mkdirSync(dirname(join(out, path)), { recursive: true });
  writeFileSync(join(out, path), text);
}

async function withModelina(folder, suffix, generator, options) {
  const document = readFileSync(join(schemas, 'asyncapi-3.0.yaml'), 'utf8');
  for (const model of await generator.generateCompleteModels(document, options)) {
    if (model.modelName) write(`${folder}/${model.modelName}.${suffix}`, model.result);
  }
}

async function withQuicktype(folder, lang, rendererOptions) {
  const input = new JSONSchemaInput(new FetchingJSONSchemaStore());
  for (const schema of events) await input.addSource({ name: JSON.parse(schema).title, schema });
  const inputData = new InputData();
  inputData.addInput(input);
  const files = await quicktypeMultiFile({ inputData, lang, rendererOptions, outputFilename: `${folder}/events.${lang}` });
  for (const [name, { lines }] of files) write(name.includes('/') ? name : `${folder}/${name}`, lines.join('\n'));
}

const { JavaGenerator, JAVA_JACKSON_PRESET, GoGenerator, GO_COMMON_PRESET, CSharpGenerator } = modelina;
const { CSHARP_JSON_SERIALIZER_PRESET } = modelina;
const go = new GoGenerator({ presets: [{ preset: GO_COMMON_PRESET, options: { addJsonTag: true } }] });
const java = new JavaGenerator({ presets: [JAVA_JACKSON_PRESET], collectionType: 'List' });
const csharp = new CSharpGenerator({ presets: [CSHARP_JSON_SERIALIZER_PRESET] });
await withModelina('java/modelina', 'java', java, { packageName: 'modelina' });
await withModelina('go/modelina', 'go', go, { packageName: 'modelina' });
await withModelina('csharp', 'cs', csharp, { namespace: 'Leadart' });
await withQuicktype('java/quicktype', 'java', { package: 'quicktype' });
await withQuicktype('go/quicktype', 'go', { package: 'quicktype' });
await withQuicktype('typescript/quicktype', 'ts', {});
for (const schema of events) {
  const { title } = JSON.parse(schema);
  write(`typescript/jsonschema/${title}.ts`, await compile(JSON.parse(schema), title));
}
