// node in_node.mjs SUITE [ARGUMENT]: run a suite and print its report as JSON.
import { readFile } from "node:fs/promises";

const [suite, argument] = process.argv.slice(2);
const folder = new URL("../../../protocol/vectors/", import.meta.url);
const load = async (name) => JSON.parse(await readFile(new URL(`${name}.json`, folder), "utf8"));
const { run } = await import(new URL(suite, import.meta.url));
console.log(JSON.stringify(await run(load, argument && JSON.parse(argument))));
