// Makes src/schema.ts of the service's OpenAPI document; with --check, only says whether it is up to date.
//
// The result is a .ts file and no .d.ts: the compiler copies no .d.ts into the package, and declarations whose imports lead nowhere
// become `any` without a word.
import { readFile, writeFile } from "node:fs/promises";

import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";

const source = new URL("../../../docs/openapi.json", import.meta.url);
const target = new URL("../src/schema.ts", import.meta.url);

const document = JSON.parse(await readFile(source, "utf8"));
listProblemTypes(document);
const schema = COMMENT_HEADER + astToString(await openapiTS(document, { defaultNonNullable: false }));

if (process.argv.includes("--check")) {
  if ((await readFile(target, "utf8")) !== schema) {
    console.error("src/schema.ts is not up to date: run `npm run generate`");
    process.exit(1);
  }
} else {
  await writeFile(target, schema);
}

/**
 * Lists the values of a problem's `type`, so that a misspelt one does not compile: those of the examples, of which the document has one for
 * every problem that an operation can answer with.
 */
function listProblemTypes(document) {
  const types = Object.values(document.paths)
    .flatMap((path) => Object.values(path))
    .flatMap((operation) => Object.values(operation.responses))
    .flatMap((answer) => Object.values(answer.content?.["application/problem+json"]?.examples ?? {}))
    .map((example) => example.value.type);
  // The answer to a method that a path does not have, which is no operation's.
  types.push("/problems/method-not-allowed");
  document.components.schemas.Problem.properties.type.enum = [...new Set(types)].sort();
}
