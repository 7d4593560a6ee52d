// node in_node.mjs SUITE < argument.json: run a suite and print its report as JSON.
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";

const argument = JSON.parse((await text(process.stdin)) || "{}");
const folder = new URL("../../../protocol/vectors/", import.meta.url);
const load = async (name) => JSON.parse(await readFile(new URL(`${name}.json`, folder), "utf8"));
const { run } = await import(new URL(process.argv[2], import.meta.url));
console.log(JSON.stringify(await run(load, argument)));
