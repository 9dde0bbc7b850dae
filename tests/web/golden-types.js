// Writes every golden message of proto/examples as a typed constant, so that the type check compares the client's own
// names of fields with the contract: a field missing here or there, or of another form, fails it. Run by `npm run check`.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const examples = new URL("../../proto/examples/", import.meta.url);
const types = { client: "ClientMessage", server: "ServerMessage" };
const lines = ['import type { ClientMessage, ServerMessage } from "../../crates/server/web/sdk/messages.js";', ""];
for (const file of readdirSync(examples).sort()) {
  const side = file.split("-")[0];
  if (side !== "client" && side !== "server") continue;
  const name = file.replace(".json", "").replaceAll("-", "_");
  lines.push(`export const ${name}: ${types[side]} = ${readFileSync(new URL(file, examples), "utf8").trim()};`);
}
if (lines.length < 10) throw new Error("the golden messages are not where they were");
writeFileSync(new URL("golden.generated.ts", import.meta.url), `${lines.join("\n")}\n`);
