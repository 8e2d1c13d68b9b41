// generate.mjs - src/api.d.ts from openapi.yaml: the types follow the document, and no copy of them is committed.
import { writeFileSync } from 'node:fs';
import openapiTS, { astToString } from 'openapi-typescript';

const source = new URL('../../openapi.yaml', import.meta.url);
const target = new URL('./src/api.d.ts', import.meta.url);
const tree = await openapiTS(source, { alphabetize: true, emptyObjectsUnknown: true, defaultNonNullable: false });
writeFileSync(target, `// Made by generate.mjs from openapi.yaml; do not edit.\n${astToString(tree)}`);
