// The real texts, for tests of pages without a server.

import { readFileSync } from "node:fs";

import { useTexts } from "../../cloud/pages/shared/texts.js";

export const tableOf = (lang) =>
  JSON.parse(readFileSync(new URL(`../../kannuki/texts/${lang}.json`, import.meta.url), "utf-8"));

export function speak(lang) {
  useTexts(tableOf(lang), lang);
}
