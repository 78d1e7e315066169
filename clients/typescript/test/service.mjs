// A running service for tests, on a database of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const program = process.env.BIENVENUE ?? fileURLToPath(new URL("../../../target/debug/bienvenue", import.meta.url));

/** The password of every account that is registered for a test. */
export const PASSWORD = "correct horse battery";

/** Starts the service with these settings. It is stopped, and its files are removed, when the test or the suite `t` ends. */
export async function startService(t, settings = {}) {
  const folder = await mkdtemp(join(tmpdir(), "bienvenue-"));
  const port = await freePort();
  const { log, stop } = start(program, ["serve"], {
    cwd: folder,
    env: {
      BIENVENUE_LISTEN: `127.0.0.1:${port}`,
      BIENVENUE_BCRYPT_COST: "4",
      ...settings,
    },
  });
  t.after(async () => {
    await stop();
    await rm(folder, { recursive: true });
  });
  const url = `http://localhost:${port}`;
  await answers(`http://127.0.0.1:${port}/health/ready`, log);
  return { url, port, log };
}

/** Starts a program, which sees no settings of this one's environment, and collects what it prints. */
export function start(command, parameters, options = {}) {
  const child = spawn(command, parameters, {
    ...options,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = Promise.race([once(child, "exit"), once(child, "error")]);
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      printed += text;
    });
  }
  return {
    ended,
    log: () => printed,
    async stop() {
      child.kill();
      await ended;
    },
  };
}

/** Runs a tool to its end, and returns its exit status and what it printed. */
export async function run(command, parameters, options = {}) {
  const { ended, log } = start(command, parameters, { ...options, env: { ...process.env, ...options.env } });
  const [status] = await ended;
  return { status, printed: log() };
}

/** Waits until something answers at this address, as it is to. */
export async function answers(url, log, isReady = (response) => response.ok) {
  for (let left = 600; left > 0; left -= 1) {
    const response = await fetch(url, { redirect: "manual" }).catch(() => undefined);
    if (response !== undefined && isReady(response)) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing answers at ${url}:\n${log()}`);
}

/** A port that nothing listens on. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Sends JSON to the service. */
export function send(method, url, body, headers = {}) {
  return fetch(url, { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } });
}

/** Registers an account. */
export async function register(url, email) {
  const response = await send("POST", `${url}/users`, { email, password: PASSWORD });
  if (response.status !== 201) {
    throw new Error(`${email} is not registered: ${await response.text()}`);
  }
}

/** Signs in, and returns the cookie as a browser sends it. */
export async function signIn(url, email, headers = {}) {
  const response = await send("POST", `${url}/sessions`, { email, password: PASSWORD }, headers);
  const [cookie] = response.headers.getSetCookie();
  return cookie.split(";")[0];
}
