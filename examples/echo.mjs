// A bot in another process and another language: it says back what it is told.
//
//     node examples/echo.mjs [DATA_FOLDER] [NAME]
//
// It needs Node 18 or newer and nothing else. The data folder (./data) says where the server is and holds the
// key of its door. What to notice:
//
// - It reads with a long poll. Reading acknowledges nothing: killed at any moment, it is given again whatever
//   it had not acknowledged.
// - The reply goes with the acknowledgement, in one turn: both are in the log, or neither. An acknowledgement
//   whose answer was lost is simply made again; the server says `repeated` and sends nothing twice.
// - What is sent besides carries an idempotency key, so it too can be sent again.
// - It survives a restart of the server, also on another port: each try looks again where the server is.

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const folder = process.argv[2] ?? "data";
const name = process.argv[3] ?? "echo";

/** What the server refused, and why; trying the same again would not help. */
class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The server said ${status}.`);
    this.code = problem.code;
  }
}

async function server() {
  // A checksum, a space, then who owns the folder as JSON; nothing behind the checksum when nobody does.
  const text = await readFile(join(folder, "callboard.lock"), "utf8");
  const { url } = JSON.parse(text.slice(text.indexOf(" ")).trim() || "{}");
  if (!url) throw new Error("it is starting or closing");
  return { url, key: (await readFile(join(folder, "door.key"), "utf8")).trim() };
}

/** Ask the server, and again for as long as it cannot be reached or cannot do it now. */
async function call(verb, path, body, headers = {}) {
  for (let pause = 100; ; pause = Math.min(2 * pause, 5000)) {
    let why;
    try {
      const { url, key } = await server();
      const answer = await fetch(`${url}/api/v1${path}`, {
        method: verb,
        headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json", ...headers },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(90_000),
      });
      const said = await answer.json();
      if (answer.ok) return said;
      if (!said.retryable) throw new Refused(answer.status, said);
      why = said.detail;
    } catch (fault) {
      if (fault instanceof Refused) throw fault;
      why = fault.cause?.message ?? fault.message;
    }
    console.error(`waiting for the server: ${why}`);
    await sleep(pause);
  }
}

/** Return the messages that follow from one: here, the same again to whoever sent it. */
function handle(message) {
  if (message.body?.fail) throw new Error(`told to fail: ${message.body.fail}`);
  // A reply is not replied to, or two echoes would go on for ever.
  if (message.reply_to) return [];
  return [{ type: message.type, body: message.body }];
}

async function main() {
  const bot = `/bots/${encodeURIComponent(name)}`;
  await call("POST", "/bots", { name, kind: "outside", description: "Says back what it is told." });

  const once = { "Idempotency-Key": randomUUID() };
  await call("POST", `${bot}/messages`, { channel: "echo.started", type: "started", body: { name } }, once);
  console.log(`${name} is here`);

  for (;;) {
    const inbox = await call("GET", `${bot}/inbox?wait=30s&limit=20&reader=${encodeURIComponent(name)}`);
    for (const message of inbox.data) {
      const ack = { up_to: message.cursor, reader: name };
      let held = false;
      try {
        ack.messages = handle(message);
      } catch (fault) {
        ack.failed = { reason: fault.message };
        held = true;
      }
      const done = await call("POST", `${bot}/ack`, ack);
      console.log(`${message.position} ${done.repeated ? "repeated" : held ? "failed" : "handled"}`);
      if (held) break; // what follows is served again when this one is due
    }
  }
}

main().catch((fault) => {
  console.error(`${fault.code ?? "FAULT"}: ${fault.message}`);
  process.exitCode = 1;
});
