/** Strangers who guess passwords at the edge, as fast as they are answered: what a user's puts, and log-ins, cost then. */
import { buildAll } from "../../worker/local/build.ts";
import { EdgeFolder } from "../bench/edge/server.ts";
import type { Cost } from "./scenarios.ts";

const LOOPS = 24;
const LOG_INS = 5;
/** Who there is, and who has no password; the other loops take a new name, of nobody's, each time. */
const NAMES = ["root", "cn", "amy"];

export async function wrongLogIns(scale: number): Promise<readonly Cost[]> {
  await buildAll();
  const folder = await EdgeFolder.make();
  const edge = await folder.start();
  const { url } = edge;
  const puts = Math.max(20, Math.round(400 * scale));
  const over = new AbortController();
  let [guesses, refused] = [0, 0];
  const guess = async (at: number): Promise<void> => {
    while (!over.signal.aborted) {
      const name = at % 2 === 0 ? NAMES[at % NAMES.length] : `nobody${guesses}`;
      const { status, text } = await post(url, "auth/authenticate", { name, password: "x" });
      if (status === 200) throw new Error("a wrong password was right");
      if (text.includes("too many requests")) refused += 1;
      guesses += 1;
    }
  };
  try {
    const token = await usersOf(url);
    await medianPut(url, token, puts);
    const idleMs = await medianPut(url, token, puts);
    const loops = Array.from({ length: LOOPS }, (_, at) => guess(at));
    await medianPut(url, token, puts / 4);
    const floodedMs = await medianPut(url, token, puts);
    const waits: number[] = [];
    for (let at = 0; at < LOG_INS; at++) {
      const startMs = performance.now();
      await logIn(url, "eve");
      waits.push(performance.now() - startMs);
    }
    over.abort();
    await Promise.all(loops);
    return [
      { what: "median put with nobody else there", value: idleMs * 1000, unit: "µs" },
      { what: `median put under ${LOOPS} loops of wrong log-ins`, value: floodedMs * 1000, unit: "µs" },
      { what: "the second of the first (aim: at most 300)", value: (floodedMs / idleMs) * 100, unit: "%" },
      {
        what: `longest of ${LOG_INS} right log-ins meanwhile, from the same address`,
        value: Math.max(...waits),
        unit: "ms",
      },
      { what: `guesses answered, ${refused} of them with "too many requests"`, value: guesses, unit: "" },
    ];
  } finally {
    over.abort();
    await edge.stop();
    await folder.remove();
  }
}

/** Auth is on from then on; the token is root's. */
async function usersOf(url: string): Promise<string> {
  for (const name of ["root", "amy", "eve"]) await done(url, "auth/user/add", { name, password: name });
  await done(url, "auth/user/add", { name: "cn", options: { no_password: true } });
  await done(url, "auth/user/grant", { user: "root", role: "root" });
  await done(url, "auth/enable", {});
  return logIn(url, "root");
}

async function logIn(url: string, name: string): Promise<string> {
  const text = await done(url, "auth/authenticate", { name, password: name });
  return (JSON.parse(text) as { readonly token: string }).token;
}

async function medianPut(url: string, token: string, puts: number): Promise<number> {
  const tookMs: number[] = [];
  for (let at = 0; at < puts; at++) {
    const startMs = performance.now();
    await done(url, "kv/put", { key: btoa("load/a"), value: btoa("v") }, token);
    tookMs.push(performance.now() - startMs);
  }
  return tookMs.toSorted((left, right) => left - right)[Math.floor(puts / 2)] ?? NaN;
}

async function done(url: string, path: string, body: object, token = ""): Promise<string> {
  const { status, text } = await post(url, path, body, token);
  if (status !== 200) throw new Error(`${path} was answered ${status}: ${text}`);
  return text;
}

async function post(
  url: string,
  path: string,
  body: object,
  token = "",
): Promise<{ readonly status: number; readonly text: string }> {
  const headers: Record<string, string> = token === "" ? {} : { authorization: token };
  const response = await fetch(`${url}/v3/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: response.status, text: await response.text() };
}
